"""Hooks and kills: an event that was stored reaches the hook, and has at most one reply."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter

import pytest
from conftest import REEM, delivered, is_connected, wait_for
from receiver import receiving

from wa.connection.context import system_now
from wa.hooks import deliveries, table
from wa.record.events import log

BOT = """
import json, os, sys, time
event = json.load(sys.stdin)
with open(os.environ["WA_HOME"] + "/ran", "a") as runs:
    runs.write(str(event["id"]) + "\\n")
time.sleep(0.02)
print("reply", event["data"]["content"], time.monotonic())  # another text at each run
"""


def assert_places(store):
    """Fail if the place of a hook is ahead of an event that it has to hear of and has not."""
    for hook in table.listing(store):
        settled = deliveries.settled_behind(store, hook["id"], 0)
        assert settled >= {number for number in stored(store) if number <= hook["cursor"]}


def kill_owners(home, store, wa, spawn, seed, rounds, each):
    """Let people write, each in two rounds, while the scheduler is killed again and again."""
    chance = random.Random(seed)
    kills = 0
    for round_ in range(rounds):
        people = [f"4477009{round_ // 2 * each + n:05d}@s.whatsapp.net" for n in range(each)]
        lines = [{"from": person, "text": f"{round_}.{n}"} for n, person in enumerate(people)]
        assert wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines))).code == 0
        process = spawn("run-scheduler", WA_SEND_SPACING="0")
        wait_for(lambda: is_connected(home))
        try:
            process.popen.wait(timeout=chance.uniform(0.0, 0.4))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        assert_places(store)
    assert kills == rounds


def stored(store):
    """Return the ids of the events of stored messages of others, in order."""
    rows = store.rows("SELECT id, data FROM events WHERE type = 'message' ORDER BY id")
    return [row["id"] for row in rows if not json.loads(row["data"])["is_from_me"]]


def by_id(events):
    """Return each event once."""
    return {event["id"]: event for event in events}


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 7))])
def test_a_program_replies_at_most_once_and_every_event_reaches_it(home, store, wa, spawn, tmp_path, seed):
    rounds, each = (6, 4) if seed == 1 else (20, 5)
    bot = tmp_path / "bot.py"
    bot.write_text(BOT, encoding="utf-8")
    options = ["--exec", f"{sys.executable} {bot}", "--reply-to-strangers"]
    assert wa("hooks", "add", "bot", *options).code == 0
    kill_owners(home, store, wa, spawn, seed, rounds, each)
    last = spawn("run-scheduler", WA_SEND_SPACING="0")
    wait_for(lambda: is_connected(home))  # all may be done before it starts

    def all_done():
        done = store.value("SELECT count(*) FROM hook_deliveries WHERE status IN ('done', 'failed')")
        return done == len(stored(store)) and not store.value(
            "SELECT count(*) FROM scheduled_messages WHERE status IN ('pending', 'sending')"
        )

    wait_for(all_done, 60, "the end of all deliveries")
    last.popen.terminate()
    assert last.finish().code == 0
    events = stored(store)
    ran = {int(line) for line in (home.path / "ran").read_text().split()}
    failed = {r["event_id"] for r in store.rows("SELECT * FROM hook_deliveries WHERE status = 'failed'")}
    assert ran <= set(events), "nothing was handed over that was not stored"
    assert set(events) - ran <= failed, "each was handed over, or set aside: its program never came to run"
    replies = Counter(row["idempotency_key"] for row in store.rows("SELECT * FROM scheduled_messages"))
    assert replies == Counter(f"hook:1:{number}" for number in events if number not in failed)
    sent = [text.split()[1] for text in delivered(home)]
    assert max(Counter(sent).values()) == 1, "no reply twice"
    assert table.get(store, "bot")["cursor"] <= log.newest(store)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 7))])
def test_an_address_gets_every_event_at_least_once_and_in_order_of_its_chat(home, store, wa, spawn, seed):
    rounds, each = (5, 10) if seed == 1 else (20, 20)
    with receiving() as receiver, receiving() as settling:
        assert wa("hooks", "add", "web", "--webhook", receiver.url).code == 0
        table.add(store, "slow", {"webhook": settling.url, "settle": 0.1}, system_now())
        kill_owners(home, store, wa, spawn, seed, rounds, each)
        last = spawn("run-scheduler")
        wait_for(lambda: {event["id"] for event in receiver.events} >= set(stored(store)), 60)
        assert wa("loopback", "say", REEM, "the last").code == 0
        wait_for(lambda: "the last" in receiver.texts)
        wait_for(lambda: all(hook["cursor"] >= stored(store)[-1] for hook in table.listing(store)))
        last.popen.terminate()
        assert last.finish().code == 0
        assert {event["id"] for event in receiver.events} == set(stored(store))
        chats = {}
        for event in receiver.events:
            seen = chats.setdefault(event["data"]["chat_jid"], [])
            if event["id"] not in seen:
                seen.append(event["id"])
        assert all(seen == sorted(seen) for seen in chats.values())
        together = {}
        for event in settling.events:
            said = [each["message_id"] for each in event["data"]["messages"]]
            assert together.setdefault(event["id"], said) == said, "an id that comes again holds the same"
        heard = Counter(each for said in together.values() for each in said)
        assert heard == Counter(event["data"]["message_id"] for event in by_id(receiver.events).values())
