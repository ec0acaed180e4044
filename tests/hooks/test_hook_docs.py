"""docs/hooks.md: its samples are what events look like, and its programs work as they are printed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REEM_JID, FakeClock, wait_for

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.hooks import bursts, program, sample, table, webhook
from wa.queue import pacing
from wa.record.events import log
from wa.whatsapp.events import Deleted, Edited, MessageReceived, Reacted, ReceiptReceived

DOCS = (Path(__file__).parents[2] / "docs/hooks.md").read_text(encoding="utf-8")
ALL_SAMPLES = [json.loads(each) for each in re.findall(r"^```json\n(.*?)^```", DOCS, re.M | re.S)]
SEVERAL, SAMPLES = ALL_SAMPLES[0], {each["type"]: each for each in ALL_SAMPLES[1:]}
PROGRAMS = re.findall(r"^```(?:python|sh)\n(.*?)^```", DOCS, re.M | re.S)
NOW = FakeClock()()
AT = int(NOW.timestamp())


def test_the_samples_have_the_form_of_real_events(store):
    for event in (
        MessageReceived(REEM_JID, "A", REEM_JID, AT, "See you at ten", push_name="Reem"),
        Reacted(REEM_JID, "A", REEM_JID, "👍", AT),
        MessageReceived(REEM_JID, "B", "me", AT, "ours", is_from_me=True),
        ReceiptReceived(REEM_JID, ("B",), REEM_JID, "delivered", AT),
        MessageReceived(REEM_JID, "C", REEM_JID, AT, "See you at ten"),
        Edited(REEM_JID, "C", "See you at eleven", AT, REEM_JID),
        Deleted(REEM_JID, "C", AT, REEM_JID),
    ):
        with store.write():
            apply_event(store, event, NOW)
    with store.write():
        pacing.brake(store, NOW)
        log.add(store, "connection", NOW, {"state": "offline", "reason": "the connection was lost"})
    real = {line["type"]: json.loads(log.event_of(line, late=False)) for line in log.after(store, 0)[::-1]}
    assert set(SAMPLES) == set(real) == set(log.TYPES)
    for kind, shown in SAMPLES.items():
        assert list(shown) == list(real[kind])
        assert list(shown["data"]) == list(real[kind]["data"]), kind
    assert SAMPLES["deleted"]["data"]["content"] == real["deleted"]["data"]["content"]
    assert list(json.loads(sample.message(NOW))["data"]) == list(SAMPLES["message"]["data"])
    lines = log.after(store, 0, types=["message"])
    several = json.loads(bursts.event_of(store, lines[0]["id"], lines, late=False))
    for real_one in (several, json.loads(sample.message(NOW, several=True))):
        assert list(SEVERAL) == list(real_one)
        assert list(SEVERAL["data"]) == list(real_one["data"])
        shown = [*SEVERAL["data"]["messages"], *real_one["data"]["messages"]]
        assert {tuple(each) for each in shown} == {tuple(SAMPLES["message"]["data"])}
        newest = {name: each for name, each in SEVERAL["data"].items() if name != "messages"}
        assert newest == SEVERAL["data"]["messages"][-1]


@pytest.mark.parametrize(
    ("number", "text", "answer"),
    [
        (1, "your opening hours?", "We are open from 9 to 5.\n"),
        (1, "hello", ""),
        (2, "Ping!", "pong\n"),
        (2, "x", ""),
    ],
)
def test_the_programs_answer(tmp_path, number, text, answer):
    path = tmp_path / "bot"
    path.write_text(PROGRAMS[number], encoding="utf-8")
    event = {**SAMPLES["message"], "data": {**SAMPLES["message"]["data"], "content": text}}
    words = [sys.executable if "import json, sys\n" in PROGRAMS[number] else "sh", str(path)]
    ran = subprocess.run(words, input=json.dumps(event), capture_output=True, text=True, check=True)
    assert ran.stdout == answer


def test_the_receiver_takes_what_is_signed_and_nothing_else(port):
    secret = table.new_secret()
    command = [sys.executable, "-c", PROGRAMS[3], str(port)]
    environment = {"SECRET": secret, "PATH": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as receiver:
        try:

            def post(signed_with):
                url = f"http://127.0.0.1:{port}/"
                return webhook.post(url, signed_with, 7, sample.message(system_now()), 5, system_now())

            wait_for(lambda: post(secret) == program.Result())
            assert receiver.stdout.readline() == b"0 message\n"
            assert post(table.new_secret()).error == "it answered 401"
        finally:
            receiver.terminate()
