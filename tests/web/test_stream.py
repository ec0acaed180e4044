"""The stream of events over HTTP: nothing of it is lost or comes twice, however its line is cut."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import time
from datetime import timedelta
from itertools import islice

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, wait_for
from test_serve import Server
from web_client import SECRET

from wa.connection.context import Context, system_now
from wa.connection.incoming.events import apply_event
from wa.record.events import log
from wa.settings import parse_settings
from wa.web.api import events
from wa.web.api.events import MOST_STREAMS
from wa.whatsapp.events import MessageReceived


class Stream:
    """A client's end of a stream."""

    def __init__(self, server, query="", last=None):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
        headers = {"X-API-Secret": SECRET} | ({} if last is None else {"Last-Event-ID": str(last)})
        self.connection.request("GET", f"/api/v1/events{query}", headers=headers)
        self.reply = self.connection.getresponse()
        self.status = self.reply.status

    def __iter__(self):
        """Yield each event as a dict of its fields; data is read as JSON."""
        fields = {}
        while line := self.reply.readline().decode():
            name, _, text = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = json.loads(text) if name == "data" else text
            elif fields:
                yield fields
                fields = {}

    def next(self, count):
        """Return id and message id of the next events."""
        return [
            (int(each["id"]), each["data"]["data"].get("message_id")) for each in islice(iter(self), count)
        ]

    def close(self):
        """Cut the line."""
        self.reply.close()
        self.connection.close()


@pytest.fixture
def stream():
    """Open streams, which are cut at the end of the test."""
    with contextlib.ExitStack() as opened:

        def begin(*args, **how):
            made = Stream(*args, **how)
            opened.callback(made.close)
            return made

        yield begin


@pytest.fixture
def serve(spawn):
    """Start `wa serve` on a free port."""
    return lambda: Server(spawn("serve", "--port", "0", API_SECRET=SECRET))


def put(store, *message_ids, chat=REEM_JID):
    """Record live messages, a transaction each."""
    for message_id in message_ids:
        with store.write():
            said = MessageReceived(
                chat, message_id, chat, int(system_now().timestamp()), f"says {message_id}"
            )
            apply_event(store, said, system_now())


def test_a_stream_goes_on_after_a_cut_and_after_a_restart_of_the_server(serve, stream, store):
    put(store, "before")
    server = serve()
    first = stream(server)
    assert (first.status, first.reply.getheader("Content-Type")) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    put(store, "A", "B", "C")
    assert first.next(2) == [(2, "A"), (3, "B")]
    first.close()  # C may be on its way
    put(store, "D")
    second = stream(server, last=3)
    assert second.next(2) == [(4, "C"), (5, "D")]
    server.process.signal(signal.SIGTERM)
    assert server.process.finish().code == 0
    put(store, "E")
    server = serve()
    third = stream(server, last=5)
    put(store, "F")
    assert third.next(2) == [(6, "E"), (7, "F")]
    assert stream(server, "?since=6").next(1) == [(7, "F")]
    put(store, "elsewhere", chat=ADAM_JID)
    with store.write():
        log.add(store, "connection", system_now(), {"state": "offline", "reason": None})
    assert stream(server, f"?since=0&chat={REEM}").next(7)[-1] == (7, "F")
    assert stream(server, "?since=0&types=connection,queue").next(1) == [(9, None)]


def test_each_event_has_its_type_its_time_and_its_row(serve, stream, store, wa):
    server = serve()
    events = stream(server, "?since=0")
    put(store, "A")
    (event,) = islice(iter(events), 1)
    assert (event["id"], event["event"]) == ("1", "message")
    assert list(event["data"]) == ["type", "id", "at", "late", "data"]
    (row,) = wa("read", REEM, "--json").json
    assert {**row, **event["data"]["data"]} == row


def test_a_stream_is_told_how_many_events_it_missed(serve, stream, store):
    with store.write():
        for _ in range(5):
            log.add(store, "connection", system_now() - timedelta(days=8), {"state": "offline"})
    put(store, "A")
    log.prune(store, system_now())
    server = serve()
    missed, message = islice(iter(stream(server, last=2)), 2)
    assert (missed["event"], missed["data"], missed["id"]) == ("missed", {"missed": 3}, "5")
    assert (message["event"], message["id"]) == ("message", "6")
    # one from a store that this one never was begins now
    late = stream(server, last=10**6)
    put(store, "B")
    assert late.next(1) == [(7, "B")]


def test_of_large_events_a_stream_holds_few(store, home):
    with store.write():
        for _ in range(10):
            log.add(store, "connection", system_now(), {"state": "x" * 50_000})
    settings = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC")
    place, seen = 0, []
    while place < 10:
        texts, place = events._next(Context(home, settings, store), place, (), None)
        seen.append(len(texts))
    assert seen == [2] * 5


def test_what_is_no_place_and_no_type_is_refused(serve, stream):
    server = serve()
    for query in ("?types=message,nothing", "?types=", "?since=-1", "?since=x", "?since=1.0"):
        assert stream(server, query).status == 400, query
    assert stream(server, last="x").status == 400


def test_twenty_streams_are_served_and_the_server_ends_with_them_open(serve, stream, store):
    server = serve()
    streams = [stream(server) for _ in range(MOST_STREAMS)]
    one_more = stream(server)
    assert (one_more.status, one_more.reply.getheader("Retry-After")) == (429, "5")
    put(store, "A", "B")
    assert [each.next(2) for each in streams] == [[(1, "A"), (2, "B")]] * MOST_STREAMS
    streams.pop().close()
    wait_for(lambda: stream(server).status == 200, what="the place of the stream that was cut")
    began = time.monotonic()
    server.process.signal(signal.SIGTERM)
    assert server.process.finish().code == 0
    assert time.monotonic() - began < 5 + server.started_in
