"""A message of the library from what is stored of it: its bytes, or the JSON of the tool before this one.

That tool was written with Baileys, whose names differ from the library's in case, and which writes bytes in
four ways: `{"type": "Buffer", "data": [1, 2]}`, the same with base64 for `data`, base64 alone, and
`{"0": 1, "1": 2}`.
"""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from typing import Any

_DEEPEST = 20
_STANDARD = str.maketrans("-_", "+/")
"""Base64 for addresses in the standard alphabet: RFC 4648 §5."""
_BYTES, _MESSAGE, _STRING, _BOOL = 12, 11, 9, 8
_REALS = (1, 2)
"""Types of fields: FieldDescriptorProto.Type in descriptor.proto."""


def stored_message(message_type: Any, raw: bytes) -> Any:
    """Return a message. A field of JSON that is not what the message has there is left out."""
    if not raw.startswith(b"{"):  # no message begins so: it would be a group, which proto3 does not have
        return message_type.FromString(raw)
    found = json.loads(raw).get("message")
    message = message_type()
    _fill(message, _inner(found) if isinstance(found, dict) else {}, 0)
    return message


def _inner(found: dict[str, Any]) -> dict[str, Any]:
    """Return the message in others: in one that disappears, in one that is seen once."""
    for _ in range(_DEEPEST):
        inside = (each.get("message") for each in found.values() if isinstance(each, dict))
        wrapped = next((each for each in inside if isinstance(each, dict)), None)
        if wrapped is None:
            break
        found = wrapped
    return found


def _fill(message: Any, found: dict[str, Any], depth: int) -> None:
    """Set the fields of a message that are in an object."""
    fields = {field.name.lower(): field for field in message.DESCRIPTOR.fields}
    for name, value in found.items():
        field = fields.get(name.lower())
        if field is None or value is None or depth > _DEEPEST:
            continue
        with suppress(TypeError, ValueError, KeyError):
            _set(message, field, value, depth)


def _set(message: Any, field: Any, value: Any, depth: int) -> None:
    """Set one field. Raise TypeError, ValueError or KeyError if the value is none for it."""
    present = getattr(message, field.name)
    if hasattr(present, "append"):
        for each in value if isinstance(value, list) else []:
            if field.type == _MESSAGE and isinstance(each, dict):
                _fill(present.add(), each, depth + 1)
            elif field.type != _MESSAGE:
                present.append(_scalar(field.type, each))
    elif field.type != _MESSAGE:
        setattr(message, field.name, _scalar(field.type, value))
    elif isinstance(value, dict) and not hasattr(present, "keys"):
        present.SetInParent()
        _fill(present, value, depth + 1)


def _scalar(kind: int, value: Any) -> Any:
    if kind == _BYTES:
        return bytes_of(value)
    if kind == _STRING:
        return str(value)
    if kind == _BOOL:
        return bool(value)
    return float(value) if kind in _REALS else _whole(value)


def _whole(value: Any) -> int:
    """Return a whole number from one, its digits, or the two halves of a 64-bit number."""
    if isinstance(value, dict):
        return (int(value.get("high") or 0) << 32) + (int(value["low"]) & 0xFFFFFFFF)
    return int(value)


def bytes_of(value: Any) -> bytes:
    """Return bytes in one of Baileys' forms. Raise TypeError, ValueError or KeyError for anything else."""
    if isinstance(value, dict):
        value = value["data"] if "data" in value else [value[str(each)] for each in range(len(value))]
    if isinstance(value, str):
        try:
            padded = value.translate(_STANDARD) + "=" * (-len(value) % 4)
            return base64.b64decode(padded, validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None
    return bytes(value)
