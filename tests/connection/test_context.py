"""Functions below the commands, called by a handler or a job with a context of its own."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, delivered, is_connected, wait_for

from wa.connection import deliver
from wa.connection.ask import fetch, pause, refresh_groups
from wa.connection.context import Context
from wa.connection.status import status_of
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue import rows
from wa.queue.compose import Part
from wa.settings import parse_settings
from wa.store.open import open_store

REEM_TO = Recipient(REEM_JID, REEM, None)
SETTINGS = parse_settings(os.environ | {"WA_TRANSPORT": "loopback", "WA_SEND_SPACING": "0"}, lambda: "UTC")


@pytest.fixture
def notes():
    """The notes for people that a context was given."""
    return []


@pytest.fixture
def context(home, store, notes):
    """A context as a job makes it."""
    return Context(home, SETTINGS, store, note=notes.append)


def send_text(context, text, wait=30.0):
    """Send a text to Reem. Return its row."""
    told = []
    deliver.send_parts(context, REEM_TO, [Part(text)], None, wait, lambda *what: told.append(what))
    [(row, was_sent)] = told
    assert not was_sent
    return row


def test_a_message_is_sent_and_nothing_is_printed(context, home, notes, capfd):
    assert send_text(context, "Hello")["status"] == "sent"
    assert delivered(home) == ["Hello"]
    assert notes == []
    assert capfd.readouterr() == ("", "")


def test_a_note_goes_to_the_context_and_is_not_printed(context, notes, capfd):
    pause(context)
    with pytest.raises(WaError) as raised:
        send_text(context, "Hello", wait=0.1)
    assert raised.value.code == "still-queued"
    assert notes == ["nothing goes out until `wa resume`"]
    assert capfd.readouterr() == ("", "")


def test_threads_with_contexts_of_their_own_send_beside_a_listener(home, store, spawn):
    def send_in_thread(number):
        own_store = open_store(home)
        try:
            return send_text(Context(home, SETTINGS, own_store), f"Hello {number}")["status"]
        finally:
            own_store.close()

    spawn("listen")
    wait_for(lambda: is_connected(home))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(send_in_thread, range(8))) == ["sent"] * 8
    assert sorted(delivered(home)) == [f"Hello {number}" for number in range(8)]


def test_retry_sends_a_failed_row_again(context, home, store):
    row_id = rows.enqueue(store, REEM_TO, "Hello", context.now(), context.now(), grace=SETTINGS.grace)["id"]
    with store.write():
        rows.update(store, row_id, context.now(), status="failed")
    told = []
    deliver.retry(context, row_id, force=False, wait=30, tell=lambda row, _: told.append(row["status"]))
    assert told == ["sent"]
    assert delivered(home) == ["Hello"]


def test_status_is_returned_as_data(context, store):
    rows.enqueue(store, REEM_TO, "Later", context.now(), context.now(), grace=SETTINGS.grace)
    found = status_of(context)
    assert found.values["queue"] == {"pending": 1}
    assert (found.values["owner"], found.values["sending"]) == (None, "on")
    assert (found.backup_at, found.waiting, found.trouble, found.stuck) == (None, 0, None, [])


def test_fetch_and_refresh_on_a_fresh_home_find_nothing(context):
    assert fetch(context, ADAM_JID, None, 10, folder=None, most=1_000) == []
    assert refresh_groups(context) is None
