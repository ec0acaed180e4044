"""The part of protobuf that handshakes and Signal messages use: varints and byte strings."""

from __future__ import annotations


class Fields(dict[int, "int | bytes"]):
    """A decoded message: field number to its last value."""

    def data(self, number: int) -> bytes:
        """Return a field of bytes. Raise when it is missing."""
        value = self[number]
        if not isinstance(value, bytes):
            raise ValueError(f"field {number} is not bytes")
        return value

    def number(self, number: int) -> int:
        """Return a field of a number, zero when it is missing, as in protobuf."""
        value = self.get(number, 0)
        if not isinstance(value, int):
            raise ValueError(f"field {number} is not a number")
        return value


def pack(**fields: int | bytes | None) -> bytes:
    """Encode fields in order, `f1=…, f4=…`: their numbers are in the names; None is left out."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if value is None:
            continue
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            out += _varint(number << 3 | 2) + _varint(len(value)) + value
    return out


def unpack(data: bytes) -> Fields:
    """Decode fields of wire types 0 (varint) and 2 (length-delimited)."""
    out = Fields()
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == 0:
            out[key >> 3] = value
        elif key & 7 == 2:
            out[key >> 3] = data[at : at + value]
            at += value
        else:
            raise ValueError(f"unexpected wire type {key & 7}")
    return out


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at, number, shift = at + 1, number | (byte & 127) << shift, shift + 7
        if byte < 128:
            return number, at
