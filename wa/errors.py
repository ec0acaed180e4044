"""The error that a user is shown, and the exit code that belongs to each of its codes."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit codes of the process. The README has the same table."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    NOT_AUTHORIZED = 3
    NOT_FOUND = 4
    NOT_SENT = 5
    UNKNOWN = 6
    UNREACHABLE = 7
    BAD_DATA = 8
    INTERRUPTED = 130


EXIT_OF_CODE: dict[str, ExitStatus] = {
    "internal": ExitStatus.INTERNAL,
    "usage": ExitStatus.USAGE,
    "bad-setting": ExitStatus.USAGE,
    "wrong-state": ExitStatus.USAGE,
    "not-authorized": ExitStatus.NOT_AUTHORIZED,
    "replaced": ExitStatus.NOT_AUTHORIZED,
    "pairing-failed": ExitStatus.NOT_AUTHORIZED,
    "not-found": ExitStatus.NOT_FOUND,
    "ambiguous": ExitStatus.NOT_FOUND,
    "recipient-not-found": ExitStatus.NOT_FOUND,
    "send-failed": ExitStatus.NOT_SENT,
    "rate-limit-exceeded": ExitStatus.NOT_SENT,
    "message-too-long": ExitStatus.NOT_SENT,
    "temporary-ban": ExitStatus.NOT_SENT,
    "unknown-outcome": ExitStatus.UNKNOWN,
    "still-queued": ExitStatus.UNKNOWN,
    "network-error": ExitStatus.UNREACHABLE,
    "client-outdated": ExitStatus.UNREACHABLE,
    "storage-error": ExitStatus.UNREACHABLE,
    "in-use": ExitStatus.UNREACHABLE,
    "bad-data": ExitStatus.BAD_DATA,
    "corrupt": ExitStatus.BAD_DATA,
    "newer-version": ExitStatus.BAD_DATA,
}


class Terminated(Exception):
    """SIGTERM came: a supervisor wants us gone."""


class WaError(Exception):
    """An error for the user: what happened, and, as the hint, what to do about it.

    `code` is one of the keys of EXIT_OF_CODE; scripts read it from `--json`
    errors, so a code never changes its meaning.
    """

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    @property
    def exit_status(self) -> ExitStatus:
        """The exit code of a process that ends with this error."""
        return EXIT_OF_CODE[self.code]
