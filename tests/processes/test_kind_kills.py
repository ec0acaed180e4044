"""Polls, places, contacts, stickers, mentions and forwards are sent once, whatever kills their sender."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest
import webp
from conftest import REEM_JID
from media_samples import picture
from test_never_twice import SENDING, killed_at, run_until_quiet, send_the_receipts

from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import compose
from wa.queue.compose import Part
from wa.queue.kinds import forward, made
from wa.queue.kinds.wish import part_of
from wa.record import messages, write
from wa.whatsapp.events import MessageReceived
from wa.whatsapp.loopback.server import Loopback


@pytest.fixture
def fill(home, store, wa, tmp_path):
    """Queue two messages of every kind, and a forward of each; return their rows by id."""
    wa("contacts", "add", "Nadia", "447700900456")
    (tmp_path / "cat.webp").write_bytes(webp.lossy())
    (tmp_path / "cake.jpg").write_bytes(picture())

    def parts():
        cake = compose.parts_of(home, "cake", [tmp_path / "cake.jpg"])[0]
        known = [
            made.poll("Lunch?", ["Pizza", "Soup"], 2),
            made.location("-33.9,18.4", "Cape Town"),
            made.contacts(store, ["nadia"], None),
            made.sticker(tmp_path / "cat.webp"),
        ]
        yield from (part_of(home, each) for each in known)
        yield Part("Hi @447700900456", details={"mentions": ["447700900456@s.whatsapp.net"]})
        yield Part(cake.text, cake.file, details={"view_once": True})
        for number, each in enumerate(known[:3]):
            came = MessageReceived(
                REEM_JID, f"M{number}", REEM_JID, 10**9, each.text, each.kind, details=each.details
            )
            with store.write():
                write.record(store, came, "live", system_now())
            row = messages.about(store, REEM_JID, f"M{number}")
            kept = each.keep(home)
            yield forward.part_of(home, row, home.path / kept["media_path"] if kept else None)

    def queue():
        made_rows = []
        for number, part in enumerate([*parts()]):
            phone = f"4477009008{number:02}"
            to = Recipient(f"{phone}@s.whatsapp.net", phone, None)
            row = compose.queue_now(store, to, part, system_now(), grace=timedelta(hours=6))
            made_rows.append(row["id"])
        return made_rows

    return queue


def assert_each_once(home, store, ids):
    """Check that each row was accepted once, and that what is recorded is what was accepted."""
    server = Loopback(home)
    accepted = {row["to_jid"]: row for row in server.delivered()}
    assert len(accepted) == len([*server.delivered()]) == len(ids)
    server.close()
    for row_id in ids:
        row = store.row("SELECT * FROM scheduled_messages WHERE id = ?", [row_id])
        there = accepted[row["to_jid"]]
        assert (row["status"], row["message_id"]) == ("sent", there["message_id"])
        kept = store.row("SELECT * FROM messages WHERE message_id = ?", [row["message_id"]])
        assert there["kind"] == kept["message_type"] == (row["media_type"] or "text")
        assert there["details"] == row["details"] == kept["details"]
        assert there["content"] == row["message"] == (kept["content"] or "")
        if there["kind"] == "poll":
            assert kept["secret"].hex() == there["secret"]
            assert json.loads(kept["details"])["poll"]["options"] == ["Pizza", "Soup"]


def kill(home, store, wa, spawn, shell, ids, seed, kills):
    """Send with a scheduler that is killed so many times, then with one that is not."""
    chance = random.Random(seed)
    wa("loopback", "fault", "receipts", "off" if seed % 2 else "on")
    for number in range(kills):
        killed_at(
            spawn, SENDING[(seed + number) % len(SENDING)], chance.randint(1, 3), "run-scheduler", "--once"
        )
    run_until_quiet(shell, store)
    send_the_receipts(wa, store)
    assert_each_once(home, store, ids)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_messages_of_every_kind_go_out_once(home, store, wa, spawn, shell, fill, seed):
    kill(home, store, wa, spawn, shell, fill(), seed, 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_messages_of_every_kind_go_out_once_however_often_it_is_killed(
    home, store, wa, spawn, shell, fill, seed
):
    kill(home, store, wa, spawn, shell, fill(), seed, 12)
