"""WhatsApp's binary XML: nodes, addresses (JIDs), and their encoding on the wire.

Encoding writes strings raw and never as tokens, which every client accepts. Decoding needs the client's token
dictionary: version 3 is read from the installed package pyaileys, others are given by tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from pyaileys.wabinary import constants

_LIST_EMPTY, _DICT0, _AD_JID, _LIST8, _LIST16 = 0, 236, 247, 248, 249
_JID_PAIR, _HEX8, _BINARY8, _BINARY20, _BINARY32, _NIBBLE8 = 250, 251, 252, 253, 254, 255
_COMPRESSED = 2

PN, LID, GROUP, BROADCAST = "s.whatsapp.net", "lid", "g.us", "broadcast"
_AGENTS = {PN: 0, LID: 1, "hosted": 128, "hosted.lid": 129}
_SERVERS = {agent: server for server, agent in _AGENTS.items()}


@dataclass(frozen=True)
class JID:
    """An address: a person by number or by hidden id, one of their devices, a group, or a server."""

    user: str
    server: str = PN
    device: int = 0

    @staticmethod
    def parse(text: str) -> JID:
        """Return the JID in a text such as `447700900123:2@s.whatsapp.net`; a text without @ is a server."""
        if "@" not in text:
            return JID("", text)
        user, server = text.split("@", 1)
        user, _, device = user.partition(":")
        return JID(user.split(".")[0], server, int(device or 0))

    @property
    def bare(self) -> JID:
        """Return the JID without the device."""
        return JID(self.user, self.server)

    def with_device(self, device: int) -> JID:
        """Return the JID of another device of the same person."""
        return JID(self.user, self.server, device)

    def __str__(self) -> str:
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}" if self.user else self.server


SERVER = JID("", PN)
STATUS = JID("status", BROADCAST)
GROUP_SERVER = JID("", GROUP)
Attr: TypeAlias = str | int | JID


@dataclass
class Node:
    """A stanza or a part of one."""

    tag: str
    attrs: dict[str, Attr] = field(default_factory=dict)
    content: None | bytes | list[Node] = None

    def __iter__(self) -> Iterator[Node]:
        return iter(self.content if isinstance(self.content, list) else [])

    def child(self, *path: str) -> Node | None:
        """Return the first child of that tag, then its first child of the next tag, and so on."""
        found: Node | None = self
        for tag in path:
            found = next((each for each in found or () if each.tag == tag), None)
        return found

    def all(self, tag: str) -> list[Node]:
        """Return the children of that tag."""
        return [each for each in self if each.tag == tag]

    def data(self, *path: str) -> bytes:
        """Return the bytes in a child, b"" if there are none."""
        found = self.child(*path)
        return found.content if found and isinstance(found.content, bytes) else b""

    def text(self, name: str) -> str:
        """Return an attribute as text, empty when it is missing."""
        return str(self.attrs.get(name, ""))

    def jid(self, name: str) -> JID:
        """Return an attribute that has to be an address."""
        value = self.attrs.get(name)
        if not isinstance(value, JID):
            raise ValueError(f"<{self.tag}> has no address in {name!r}: {value!r}")
        return value

    def __str__(self) -> str:
        attrs = "".join(f' {name}="{value}"' for name, value in self.attrs.items())
        if not self.content:
            return f"<{self.tag}{attrs}/>"
        if isinstance(self.content, bytes):
            plain = self.content.isascii() and self.content.decode().isprintable()
            text = self.content.decode() if plain else self.content.hex()
            inner = text if len(text) <= 80 else f"[{len(self.content)} bytes]"
        else:
            inner = "".join(map(str, self.content[:12]))
            inner += f"…+{len(self.content) - 12}" if len(self.content) > 12 else ""
        return f"<{self.tag}{attrs}>{inner}</{self.tag}>"


def node(tag: str, attrs: dict[str, Attr] | None = None, *children: Node | bytes) -> Node:
    """Return a node of other nodes, or of bytes."""
    if len(children) == 1 and isinstance(children[0], bytes):
        return Node(tag, attrs or {}, children[0])
    nodes = [child for child in children if isinstance(child, Node)]
    return Node(tag, attrs or {}, nodes or None)


@dataclass(frozen=True)
class Dictionary:
    """The words that a client writes as one byte, or as a page and a byte."""

    single: list[str]
    double: list[list[str]]


NEWEST = 3
NEWEST_DICTIONARY = Dictionary(
    [token or "" for token in constants.SINGLE_BYTE_TOKENS],
    [list(page) for page in constants.DOUBLE_BYTE_TOKENS],
)


def encode(stanza: Node) -> bytes:
    """Return a frame: the flags byte (0, not compressed) and the node."""
    return b"\0" + _encode_node(stanza)


def decode(frame: bytes, dictionary: Dictionary = NEWEST_DICTIONARY) -> Node:
    """Return the node in a frame."""
    body = zlib.decompress(frame[1:]) if frame[0] & _COMPRESSED else frame[1:]
    return _Reader(body, dictionary).node()


def _encode_bytes(data: bytes) -> bytes:
    size = len(data)
    if size < 256:
        return bytes([_BINARY8, size]) + data
    if size < 1 << 20:
        return bytes([_BINARY20]) + size.to_bytes(3, "big") + data
    return bytes([_BINARY32]) + size.to_bytes(4, "big") + data


def _encode_list(size: int) -> bytes:
    if size == 0:
        return bytes([_LIST_EMPTY])
    return bytes([_LIST8, size]) if size < 256 else bytes([_LIST16]) + size.to_bytes(2, "big")


def _encode_attr(value: Attr) -> bytes:
    if not isinstance(value, JID):
        return _encode_bytes(str(value).encode())
    if value.device and value.server in _AGENTS:
        return bytes([_AD_JID, _AGENTS[value.server], value.device]) + _encode_bytes(value.user.encode())
    user = _encode_bytes(value.user.encode()) if value.user else bytes([_LIST_EMPTY])
    return bytes([_JID_PAIR]) + user + _encode_bytes(value.server.encode())


def _encode_node(stanza: Node) -> bytes:
    attrs = {name: value for name, value in stanza.attrs.items() if value != ""}
    out = _encode_list(1 + 2 * len(attrs) + (stanza.content is not None)) + _encode_bytes(stanza.tag.encode())
    for name, value in attrs.items():
        out += _encode_bytes(name.encode()) + _encode_attr(value)
    if isinstance(stanza.content, bytes):
        return out + _encode_bytes(stanza.content)
    if stanza.content is not None:
        return out + _encode_list(len(stanza.content)) + b"".join(map(_encode_node, stanza.content))
    return out


class _Reader:
    """A position in a frame."""

    def __init__(self, data: bytes, dictionary: Dictionary) -> None:
        self.data, self.at, self.dictionary = data, 0, dictionary

    def node(self) -> Node:
        size = self.list_size(self.number(1))
        stanza = Node(self.text())
        for _ in range((size - 1) >> 1):
            name = self.text()
            value = self.value(text=True)
            stanza.attrs[name] = value if isinstance(value, JID) else str(value or "")
        if size % 2 == 0:
            content = self.value(text=False)
            if isinstance(content, (str, JID)):  # text that was sent as tokens or packed is bytes too
                content = str(content).encode()
            stanza.content = content
        return stanza

    def text(self) -> str:
        return str(self.value(text=True) or "")

    def value(self, text: bool) -> None | str | bytes | JID | list[Node]:
        tag = self.number(1)
        if tag == _LIST_EMPTY:
            return None
        if tag in (_LIST8, _LIST16):
            return [self.node() for _ in range(self.list_size(tag))]
        if tag in (_BINARY8, _BINARY20, _BINARY32):
            size = self.number({_BINARY8: 1, _BINARY20: 3, _BINARY32: 4}[tag])
            raw = self.take(size & 0xFFFFF if tag == _BINARY20 else size)
            return raw.decode() if text else raw
        return self.token(tag)

    def token(self, tag: int) -> str | JID:
        if _DICT0 <= tag < _DICT0 + 4:
            return self.dictionary.double[tag - _DICT0][self.number(1)]
        if tag in (_NIBBLE8, _HEX8):
            return self.packed(tag)
        if tag == _JID_PAIR:
            user, server = self.text(), self.text()
            return JID(user, server)
        if tag == _AD_JID:
            agent, device = self.number(1), self.number(1)
            return JID(self.text(), _SERVERS.get(agent, PN), device)
        if 1 <= tag < len(self.dictionary.single):
            return self.dictionary.single[tag]
        raise ValueError(f"unsupported token {tag}")

    def packed(self, tag: int) -> str:
        head = self.number(1)
        table = "0123456789-.\0\0\0\0" if tag == _NIBBLE8 else "0123456789ABCDEF"
        text = "".join(table[byte >> 4] + table[byte & 15] for byte in self.take(head & 127))
        return text[:-1] if head & 128 else text

    def list_size(self, tag: int) -> int:
        return 0 if tag == _LIST_EMPTY else self.number(1 if tag == _LIST8 else 2)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise EOFError("the node is cut short")
        self.at += size
        return self.data[self.at - size : self.at]
