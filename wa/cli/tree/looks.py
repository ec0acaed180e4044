"""The commands that only look, which are those that a read-only wa runs; it refuses all others.

A command that is in neither table is refused, so a new one is safe until somebody says that it looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wa.cli.context import App
from wa.errors import WaError
from wa.settings import READ_ONLY, read_only_error

LOOKS: Mapping[str, tuple[str, ...]] = {
    "status": (),
    "doctor": (),
    "chats": (),
    "unread": (),
    "groups": ("refresh",),
    "read": ("mark_read", "seen"),
    "poll": (),
    "search": (),
    "export": ("out",),
    "stats": (),
    "history status": (),
    "schedule list": (),
    "schedule show": (),
    "schedule series": (),
    "template list": (),
    "template show": (),
    "jobs list": (),
    "jobs show": (),
    "contacts list": (),
    "contacts search": (),
    "contacts show": (),
    "contacts birthdays": (),
    "contacts export": ("out",),
    "service": (),
    "backup list": (),
    "backup verify": (),
    "backup keygen": ("to",),
    "db stats": (),
    "db check": ("repair",),
    "serve": (),
    "mcp": (),
    "hooks list": (),
    "hooks show": (),
    "sessions list": (),
    "sessions show": (),
    "loopback delivered": (),
    "loopback changes": (),
}
"""Commands that only look, and of each the options that make it send or change something."""
REHEARSES = (
    "send",
    "schedule add",
    "schedule birthdays",
    "jobs add",
    "contacts import-vcf",
    "contacts import-aliases",
    "history import",
    "db prune",
    "backup prune",
    "migrate-s3",
)
"""Commands that only look if they are given `--dry-run`."""


def check(app: App, path: str, given: Mapping[str, Any]) -> None:
    """Raise WaError `usage` if wa is read-only and a command would send or change something.

    `path` is the words of the command, such as `schedule list`; `given` are its parameters by name.
    """
    if not app.read_only:
        return
    off = f"{'--read-only is given' if app.is_read_only else f'{READ_ONLY} is set'}: a command may only look"
    if path in REHEARSES:
        if not given.get("dry_run"):
            raise _refused(path, f"{off}, as it does with --dry-run")
        return
    if path not in LOOKS:
        raise _refused(path, off)
    for name in LOOKS[path]:
        if given.get(name):
            option = f"--{name.replace('_', '-')}"
            raise _refused(f"{path} {option}", "`> FILE` takes what it prints" if name == "out" else off)


def _refused(what: str, hint: str) -> WaError:
    return read_only_error(f"`wa {what}` does more than look", hint)
