"""Messages of the library made of the JSON that the tool before this one kept."""

from __future__ import annotations

import base64
import importlib
import json
import sys
from typing import Any

from for_each import for_each
from relay.trust import installed_neonize

from wa.whatsapp.neonize.decoding.from_json import bytes_of, stored_message
from wa.whatsapp.neonize.decoding.kinds.files import file_in, file_of

_folder = str(installed_neonize() / "proto")
if _folder not in sys.path:  # without importing neonize itself, which would load the library
    sys.path.insert(0, _folder)
Message: Any = importlib.import_module("waE2E.WAWebProtobufsE2E_pb2").Message
KEY = bytes(range(250, 256)) + b"key>?"


@for_each(
    "written",
    [
        {"type": "Buffer", "data": list(KEY)},
        {"type": "Buffer", "data": base64.b64encode(KEY).decode()},
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        {str(place): byte for place, byte in enumerate(KEY)},
        list(KEY),
    ],
)
def test_bytes_are_read_in_each_form(written: Any) -> None:
    assert bytes_of(written) == KEY
    raw = {"key": {"id": "A"}, "message": {"imageMessage": {"mediaKey": written, "fileLength": "12"}}}
    found = stored_message(Message, json.dumps(raw).encode())
    assert (found.imageMessage.mediaKey, found.imageMessage.fileLength) == (KEY, 12)


def test_the_file_in_a_wrapped_message_is_found() -> None:
    document = {
        "url": "https://mmg.whatsapp.net/x", "mimetype": "application/pdf", "fileName": "bill.pdf",
        "fileSha256": "AAEC", "fileLength": {"low": 7, "high": 1, "unsigned": True}, "mediaKey": "AQID",
        "fileEncSha256": "BAUG", "directPath": "/v/t62", "mediaKeyTimestamp": 1700000000,
    }  # fmt: skip
    inside = {"documentWithCaptionMessage": {"message": {"documentMessage": document}}}
    found = stored_message(
        Message, json.dumps({"message": {"ephemeralMessage": {"message": inside}}}).encode()
    )
    assert file_of(found) == ((1 << 32) + 7, "application/pdf", "bill.pdf")
    part = file_in(found)
    assert part is not None
    assert (part.URL, part.directPath, part.mediaKey) == ("https://mmg.whatsapp.net/x", "/v/t62", b"\1\2\3")
    assert (part.fileSHA256, part.fileEncSHA256) == (b"\0\1\2", b"\4\5\6")


@for_each(
    "written",
    [
        {"mediaKey": "not base64!"}, {"mediaKey": {"1": 2}}, {"mediaKey": {"type": "Buffer", "data": [999]}},
        {"mediaKey": 7.5}, {"fileLength": "long"}, {"fileLength": {"low": None}}, {"fileLength": -1},
        {"url": {"a": 1}, "contextInfo": "x"}, {"contextInfo": {"mentionedJid": "x", "quotedMessage": []}},
        {"nobody knows": 1},
    ],
)  # fmt: skip
def test_a_field_that_is_something_else_is_left_out_alone(written: dict[str, Any]) -> None:
    raw = {"message": {"imageMessage": {**written, "caption": "look"}}}
    assert stored_message(Message, json.dumps(raw).encode()).imageMessage.caption == "look"


def test_a_message_in_bytes_is_read_as_before() -> None:
    assert stored_message(Message, Message(conversation="hi").SerializeToString()).conversation == "hi"
    for raw in (b"{}", b'{"message": null}', b'{"message": "x"}'):
        assert not stored_message(Message, raw).ListFields()
