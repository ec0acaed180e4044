"""Who may use the API: the rules about addresses, hosts, origins, secrets and how often one may guess.

Nothing here knows of a web framework. A request is its headers and the address of its peer.
"""

from __future__ import annotations

import hmac
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wa.settings import READ_ONLY
from wa.web.config import LOOPBACK_NAMES, Address, Config, as_address

OPEN_PATHS = ("/", "/ping", "/health")
"""The paths that answer any address under any name; they show states and counts alone."""
FILE_PATHS = ("/api/v1/messages", "/api/v1/schedule", "/schedule")
"""The paths that take forms with a file."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""The methods that change nothing."""
MOST_WRONG = 10
"""Wrong secrets of one address within WRONG_SECONDS; then its secrets are not looked at."""
WRONG_SECONDS = 60.0
LINK_SECONDS = 600.0
"""How long the printed link works."""
_MOST_ADDRESSES = 10_000
"""Addresses with wrong secrets to remember at most."""
_PORTS = {"http": "80", "https": "443"}
_AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::([0-9]{1,5}))?")


class Refused(Exception):
    """A request that is refused: its status, the code and message for its answer, and what to do."""

    def __init__(
        self, status: int, code: str, message: str, hint: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        """Seconds after which the same request may be answered."""


def read_only() -> Refused:
    """Return the refusal of what may change something, or asks for something, while wa is read-only."""
    hint = f"`wa serve` runs with --read-only or {READ_ONLY}"
    return Refused(403, "forbidden", "wa is read-only: it answers, and changes nothing", hint)


class Headers:
    """The headers of a request; names are in lower case."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def all(self, name: bytes) -> Sequence[bytes]:
        """Return the values of all headers of a name, in order."""
        return self._values.get(name, ())

    def text(self, name: bytes) -> str | None:
        """Return the value of a header, None without it. Several are joined by a comma, as HTTP says."""
        values = self.all(name)
        return b", ".join(values).decode("latin-1").strip() if values else None


@dataclass(frozen=True)
class Caller:
    """The other end of a request, as its connection or a trusted proxy tells."""

    address: Address | None
    scheme: str
    """http or https."""

    @property
    def bucket(self) -> str:
        """The name under which wrong secrets are counted: the address, of IPv6 the network /64."""
        if self.address is not None and self.address.version == 6:
            return self.address.exploded[:19]
        return str(self.address)


def caller_of(config: Config, peer: str | None, headers: Headers) -> Caller:
    """Return the caller of a request from the address `peer`; what a trusted proxy forwards counts."""
    address = as_address(peer) if peer else None
    if not _is_in(address, config.proxies):
        return Caller(address, "http")
    scheme = (headers.text(b"x-forwarded-proto") or "http").rpartition(",")[2].strip().lower()
    hops = (headers.text(b"x-forwarded-for") or "").split(",") if headers.all(b"x-forwarded-for") else []
    for hop in reversed(hops):  # each proxy appends; what a client wrote itself stands further left
        address = as_address(_without_port(hop.strip()))
        if not _is_in(address, config.proxies):
            break
    return Caller(address, "https" if scheme == "https" else "http")


def _without_port(hop: str) -> str:
    match = re.fullmatch(r"\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+", hop)
    return (match[1] or match[2] or "") if match else hop


def _is_in(address: Address | None, networks: Iterable[object]) -> bool:
    return address is not None and any(address in each for each in networks)  # type: ignore[operator]


def check_address(config: Config, caller: Caller) -> None:
    """Raise Refused for an address that is not on the list, if there is a list."""
    if config.allowed and not _is_in(caller.address, config.allowed):
        hint = "API_ALLOWED_IPS lists the addresses that may"
        raise Refused(403, "forbidden", "this address may not use the API", hint)


def check_host(config: Config, headers: Headers, bound: Iterable[str]) -> None:
    """Raise Refused unless the Host is a name of ours.

    `bound` are the address that the server is bound to and the one that this connection came to.
    """
    found = _authority(headers)
    ours = config.hosts if config.hosts is not None else {*LOOPBACK_NAMES, *(each.lower() for each in bound)}
    if found is None or found[0] not in ours:
        hint = "API_HOSTS lists the names under which it is reached"
        raise Refused(403, "forbidden", "the API is not reached under this name", hint)


def _authority(headers: Headers) -> tuple[str, str | None] | None:
    """Return name and port of the one Host header; None for none, several, and what is not a host."""
    values = headers.all(b"host")
    match = _AUTHORITY.fullmatch(values[0].decode("latin-1").strip().lower()) if len(values) == 1 else None
    return (match[1] or match[2], match[3]) if match else None


def check_origin(caller: Caller, headers: Headers, method: str) -> bool:
    """Return whether a cookie counts for this request. Raise Refused for a foreign Origin in any case.

    A request that changes something counts its cookie only with an Origin, which browsers send.
    """
    origins = headers.all(b"origin")
    if not origins:
        return method in SAFE_METHODS
    found = _authority(headers)
    given = re.fullmatch(r"(https?)://(.*)", origins[0].decode("latin-1").strip().lower())
    theirs = _AUTHORITY.fullmatch(given[2]) if given and len(origins) == 1 else None
    if given and theirs and found is not None and given[1] == caller.scheme:
        default = _PORTS[caller.scheme]
        if (theirs[1] or theirs[2], theirs[3] or default) == (found[0], found[1] or default):
            return True
    hint = "behind a proxy with TLS, API_TRUSTED_PROXY names its address"
    raise Refused(403, "forbidden", "the request comes from another site's page", hint)


def takes_a_file(method: str, path: str, headers: Headers) -> bool:
    """Return whether the body of a request is a form that may have a file."""
    kind = (headers.text(b"content-type") or "").partition(";")[0].strip().lower()
    return method == "POST" and path in FILE_PATHS and kind == "multipart/form-data"


def given_secret(headers: Headers) -> bytes | None:
    """Return the secret that a program sends, None if it sends none."""
    for value in headers.all(b"x-api-secret"):
        return value.strip()
    for value in headers.all(b"authorization"):
        kind, _, rest = value.strip().partition(b" ")
        if kind.lower() == b"bearer":
            return rest.strip()
    return None


def is_secret(config: Config, given: bytes) -> bool:
    """Return whether a secret is ours; the time that this takes tells nothing about it."""
    ours = config.secret
    return ours is not None and hmac.compare_digest(given, ours.encode())


class Throttle:
    """Wrong secrets, counted for each address."""

    def __init__(self) -> None:
        self._wrong: dict[str, deque[float]] = {}

    def check(self, caller: Caller, now: float) -> None:
        """Raise Refused after too many wrong secrets. `now` is in seconds, of a clock that is never set."""
        times = self._times(caller.bucket, now)
        if len(times) >= MOST_WRONG:
            wait = max(1, int(times[0] + WRONG_SECONDS - now) + 1)
            raise Refused(429, "too-many-requests", "too many wrong secrets", "wait a minute", wait)

    def note_wrong(self, caller: Caller, now: float) -> None:
        """Count a wrong secret."""
        if len(self._wrong) >= _MOST_ADDRESSES and caller.bucket not in self._wrong:
            for bucket in [each for each in self._wrong if not self._times(each, now)]:
                del self._wrong[bucket]
            if len(self._wrong) >= _MOST_ADDRESSES:
                del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(caller.bucket, deque(maxlen=MOST_WRONG)).append(now)

    def _times(self, bucket: str, now: float) -> deque[float]:
        times = self._wrong.get(bucket, deque())
        while times and times[0] <= now - WRONG_SECONDS:
            times.popleft()
        return times


class Link:
    """The key in the link that `wa serve` prints where there is no secret: it works once, for ten minutes."""

    def __init__(self, key: str, now: float) -> None:
        self.key = key
        self._until = now + LINK_SECONDS
        self._is_used = False

    def use(self, given: str, now: float) -> bool:
        """Return whether this is the key, and the first time that it is used."""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.key.encode()):
            return False
        if self._is_used or now > self._until:
            return False
        self._is_used = True
        return True
