"""One event, one JSON: a listener, a program, a web address and a stream are told the same."""

from __future__ import annotations

import json
import os
import signal

from conftest import REEM, REEM_JID, is_connected, wait_for
from receiver import receiving

from wa.cli.context import App
from wa.connection.actions import asking
from wa.record.events import log

TYPES = "message,edited,deleted,reaction,receipt,connection"


def flat(event):
    """Return an event as a listener prints it."""
    data = event["data"]
    if event["type"] == "message":
        return data
    if event["type"] in ("edited", "deleted"):
        data = {"row_id": data["id"], **{name: data[name] for name in data if name != "id"}}
    at = {"at": event["at"]} if event["type"] == "connection" else {}
    return {"event": event["type"], **data, **at}


def test_everybody_is_told_the_same_and_hooks_nothing_that_wa_did(wa, spawn, store, home, tmp_path):
    heard = tmp_path / "heard"
    (tmp_path / "program").write_text(f"printf '%s\\n' \"$(cat)\" >> {heard}\n")
    lines = [
        {"from": REEM, "text": "Hello", "id": "A1"},
        {"from": REEM, "text": "Hello there", "edit": "A1"},
        {"from": REEM, "react": "A1", "text": "😂"},
        {"from": "me", "to": REEM_JID, "text": "By the phone", "id": "B1"},
        {"from": "me", "to": REEM_JID, "text": "On the phone", "edit": "B1"},
        {"from": "me", "to": REEM_JID, "react": "A1", "text": "👋"},
        {"from": "me", "to": REEM_JID, "delete": "B1"},
        {"from": REEM, "receipt": "B1"},
    ]
    with receiving() as receiver:
        program = ["--exec", f"sh {tmp_path / 'program'}"]
        for name, to in (("program", program), ("address", ["--webhook", receiver.url])):
            assert wa("hooks", "add", name, *to, "--events", TYPES, "--own").code == 0
        listener = spawn("listen", "--json", WA_SEND_SPACING="0")
        wait_for(lambda: is_connected(home))
        wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines)))
        wait_for(lambda: store.value("SELECT 1 FROM receipts WHERE message_id = 'B1'"))
        wa("send", REEM, "By wa")
        sent = store.value("SELECT message_id FROM messages WHERE content = 'By wa'")
        app = App(environ=dict(os.environ))
        for kind, text, message_id in (
            ("react", "👍", "A1"),
            ("edit", "Edited by wa", sent),
            ("delete", "", sent),
        ):
            args = {"chat": REEM_JID, "message_id": message_id, "text": text}
            asking.act(app.context, kind, args, kind)
        app.close()
        wa("loopback", "say", REEM, "The end")
        lines = wait_for(lambda: ended(log.after(store, 0, types=TYPES.split(","))))
        told = [json.loads(log.event_of(line, late=False)) for line in lines]
        theirs = [
            event
            for event, line in zip(told, lines, strict=True)
            if event["type"] == "receipt" or not line["by_wa"] and line["message_id"] != sent
        ]
        wait_for(lambda: len(receiver.events) == len(theirs))
        wait_for(lambda: heard.read_text().count("\n") == len(theirs))
        listener.signal(signal.SIGTERM)
        printed = [json.loads(line) for line in listener.finish().out.splitlines()]
    assert [each["type"] for each in told if each["type"] not in ("receipt", "connection")] == [
        "message", "edited", "reaction", "message", "edited", "reaction", "deleted", "message",
        "reaction", "edited", "deleted", "message",
    ]  # fmt: skip
    assert [bare(each, sent) for each in printed if each.get("event") != "connection"] == [
        bare(flat(each), sent) for each in told if each["type"] != "connection"
    ]
    by_id = {event["id"]: bare(event, sent) for event in theirs}
    assert {event["id"]: bare(event, sent) for event in receiver.events} == by_id
    assert {
        event["id"]: bare(event, sent) for event in map(json.loads, heard.read_text().splitlines())
    } == by_id


def bare(event, sent):
    """Return an event without what the log forgets once a message is deleted, if it is about such a one."""
    data = event.get("data", event)
    if data.get("message_id") in ("B1", sent):
        data = {name: data[name] for name in data if name not in ("content", "deleted_at", "details")}
    return {**event, "data": data} if "data" in event else data


def ended(lines):
    """Return the lines of the log when the last message of the test is in it, with its receipts before it."""
    return lines if '"The end"' in lines[-1]["data"] else None
