"""A receiver that is killed again and again gets every event, in order within a chat."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from conftest import wait_for

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.hooks import table
from wa.hooks.serving import worker
from wa.hooks.serving.runner import Runner
from wa.settings import parse_settings
from wa.whatsapp.events import MessageReceived

SETTINGS = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC")
RECEIVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as heard:
            heard.write(f"{event['id']} {event['data']['chat_jid']}\\n")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def assert_place(store, name):
    """Fail if a hook's place is ahead of an event that is not settled."""
    unsettled = (
        "SELECT count(*) FROM events e JOIN hooks h ON h.name = ? AND e.id <= h.cursor"
        " WHERE e.type = 'message' AND NOT EXISTS (SELECT 1 FROM hook_deliveries d"
        " WHERE d.hook_id = h.id AND d.event_id = e.id AND d.status IN ('done', 'failed'))"
    )
    assert store.value(unsettled, [name]) == 0


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_every_event_arrives_in_order(home, store, tmp_path, monkeypatch, port, kills):
    monkeypatch.setattr(worker, "AGAIN_FIRST", timedelta(seconds=0.05))
    monkeypatch.setattr(worker, "AGAIN_MOST", timedelta(seconds=0.2))
    chance, heard = random.Random(kills), tmp_path / "heard"  # noqa: S311
    heard.touch()
    table.add(store, "web", {"webhook": f"http://127.0.0.1:{port}/"}, system_now())
    command = [sys.executable, "-c", RECEIVER, str(port), str(heard)]
    people = [f"4477009000{number:02}@s.whatsapp.net" for number in range(4)]

    def say(round_):
        with store.write():
            for number in range(10):
                chat, now = chance.choice(people), system_now()
                at = int(now.timestamp())
                apply_event(store, MessageReceived(chat, f"{round_}.{number}", chat, at, "Hi"), now)

    with Runner(home, SETTINGS, system_now):
        for round_ in range(kills):
            say(round_)
            before = heard.stat().st_size
            with subprocess.Popen(command) as receiver:
                if round_ % 3:  # once it is at work; else at any time, also before it listens
                    wait_for(lambda: heard.stat().st_size > before)  # noqa: B023
                time.sleep(chance.uniform(0, 0.05))
                receiver.kill()
            assert_place(store, "web")
        with subprocess.Popen(command) as receiver:
            newest = store.value("SELECT max(id) FROM events")
            wait_for(lambda: table.get(store, "web")["cursor"] == newest, 60)
            receiver.kill()
    lines = [line.split() for line in heard.read_text().splitlines()]
    firsts = list(dict.fromkeys((chat, int(number)) for number, chat in lines))
    assert sorted(number for _, number in firsts) == list(range(1, newest + 1)), "each at least once"
    for person in people:
        numbers = [number for chat, number in firsts if chat == person]
        assert numbers == sorted(numbers)
