"""The settings of the HTTP API: its secret, and the addresses and names that count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from wa.errors import WaError
from wa.settings import bad_setting

SHORTEST_SECRET = 20
"""The fewest characters of API_SECRET."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True)
class Config:
    """The settings of the HTTP API."""

    secret: str | None = field(repr=False)
    """None only on a loopback address: then a browser gets in by a link that `wa serve` prints."""
    allowed: tuple[Network, ...]
    """The addresses that may use the API; any, if there are none."""
    proxies: tuple[Network, ...]
    """The addresses whose X-Forwarded-For and X-Forwarded-Proto count."""
    hosts: frozenset[str] | None
    """The names under which the API is reached, in lower case; None for those of the bound address."""


def parse_config(values: Mapping[str, str], host: str) -> Config:
    """Return the settings of an API that is bound to `host`.

    Raise WaError `bad-setting` for a malformed value, for a secret that is too short, and for an address
    that others can reach without a secret.
    """
    given = {
        name: values[name].strip() for name in values if name.startswith("API_") and values[name].strip()
    }
    secret = given.get("API_SECRET")
    if secret is not None and not _is_secret(secret):
        raise bad_setting("API_SECRET", "…", f"{SHORTEST_SECRET} or more characters of ASCII without spaces")
    if secret is None and not is_loopback(host):
        raise WaError(
            "bad-setting",
            f"--host {host} can be reached from other machines, and there is no API_SECRET",
            f"set API_SECRET, {SHORTEST_SECRET} or more characters: `openssl rand -hex 32` makes one",
        )
    hosts = given.get("API_HOSTS")
    return Config(
        secret,
        _networks("API_ALLOWED_IPS", given.get("API_ALLOWED_IPS", "")),
        _networks("API_TRUSTED_PROXY", given.get("API_TRUSTED_PROXY", "")),
        None if hosts is None else frozenset(map(_host_name, _words(hosts))),
    )


def is_loopback(host: str) -> bool:
    """Return whether an address or name to bind to is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    address = as_address(host)
    return address is not None and address.is_loopback


def as_address(text: str) -> Address | None:
    """Return an IP address, an IPv4 address inside an IPv6 one as itself; None for any other text."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return inner or address


def _is_secret(text: str) -> bool:
    return len(text) >= SHORTEST_SECRET and text.isascii() and text.isprintable() and " " not in text


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _networks(name: str, text: str) -> tuple[Network, ...]:
    found = []
    for word in _words(text):
        try:
            found.append(ip_network(word, strict=False))
        except ValueError:
            allowed = "addresses and networks such as 192.0.2.7,10.0.0.0/8"
            raise bad_setting(name, word, allowed) from None
    return tuple(found)


def _host_name(word: str) -> str:
    bare = word.lower().removeprefix("[").removesuffix("]")
    if as_address(bare) is None and not _HOST.fullmatch(bare):
        raise bad_setting("API_HOSTS", word, "names or addresses without a port, such as wa.example.org")
    return bare
