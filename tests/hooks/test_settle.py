"""`--settle`: what one person writes in quick succession is one event."""

from __future__ import annotations

import json
import random
import sys
from datetime import timedelta
from itertools import pairwise

import pytest
from conftest import ADAM_JID, REEM, REEM_JID, FakeClock, delivered, wait_for
from for_each import for_each
from receiver import receiving

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.hooks import bursts, deliveries, table
from wa.hooks.bursts import Window
from wa.hooks.program import Result
from wa.hooks.serving.backlog import Backlog
from wa.hooks.serving.worker import Worker
from wa.record.events import log
from wa.settings import parse_settings
from wa.times import from_iso
from wa.whatsapp.events import Deleted, Edited, MessageReceived

NOW = FakeClock()()
GROUP = "120363000000000001@g.us"
SECOND = timedelta(seconds=1)
SETTINGS = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC")
BOT = """
import json, sys
data = json.load(sys.stdin)["data"]
print(" + ".join(each["content"] or "?" for each in data["messages"]), len(data["session"]["context"]))
"""


@pytest.fixture
def hook(store):
    """Add a hook that waits 5 seconds; return it."""
    return table.add(store, "web", {"webhook": "http://127.0.0.1:9/", "settle": 5.0, "groups": "also"}, NOW)


def put(store, text, after=0.0, chat=REEM_JID, sender=None, written=None, begin=NOW):
    """Record a live message so many seconds after `begin`; it was written then, or at `written`."""
    now = begin + timedelta(seconds=after)
    sent = int((now if written is None else begin + timedelta(seconds=written)).timestamp())
    with store.write():
        apply_event(store, MessageReceived(chat, f"id {text}", sender or chat, sent, text), now)


def groups(store, hook, now=NOW):
    """Return what is handed over as one event: the ids of their lines of the log."""
    backlog = Backlog(hook)
    backlog.fill(store, now)
    return [each.numbers for each in backlog.known.values()]


def lines(store, *numbers):
    return [log.get(store, number) for number in numbers]


def event(store, *numbers):
    return json.loads(bursts.event_of(store, numbers[0], lines(store, *numbers), late=False))


def texts(data):
    return [each["content"] for each in data["messages"]]


@for_each(
    "last, now, left, is_over",
    [
        (0, 4.9, 9, False),
        (0, 5, 9, True),
        (4, 8.9, 9, False),
        (4, 9, 9, True),
        (48, 49.9, 9, False),
        (48, 50, 9, True),  # somebody who writes without end
        (0, 1, 0, True),  # as many messages as one event holds
        (0, -1, 9, False),
        (0, -6, 9, True),  # the clock was set back
    ],
)
def test_a_window_ends_after_a_pause_and_in_any_case(last, now, left, is_over):
    window = Window(5 * SECOND, NOW, NOW + last * SECOND, NOW, left)
    assert window.is_over(NOW + now * SECOND) == is_over


def test_messages_of_one_person_in_one_chat_are_one_event(store, hook):
    put(store, "1 reem", 0)
    put(store, "2 adam", 1, ADAM_JID)
    put(store, "3 reem", 4.9)
    put(store, "4 group, reem", 5, GROUP, REEM_JID)
    put(store, "5 group, adam", 6, GROUP, ADAM_JID)
    put(store, "6 group, reem", 7, GROUP, REEM_JID)
    put(store, "7 reem after a pause", 9.9)
    assert groups(store, hook) == [[1, 3], [2], [4, 6], [5], [7]]
    assert groups(store, {**hook, "settle": 0.0}) == [[1], [2], [3], [4], [5], [6], [7]]


def test_what_waited_on_the_server_is_not_quick_succession(store, hook):
    """It comes all at once when the line is back."""
    put(store, "three days ago", 0, written=-3 * 86400)
    put(store, "the day after", 0, written=-2 * 86400)
    put(store, "a moment later", 0, written=-2 * 86400 + 4)
    assert groups(store, hook) == [[1], [2, 3]]


def test_a_worker_looks_again_when_a_window_ends(store, hook):
    put(store, "1", 0)
    put(store, "2", 1, ADAM_JID)
    backlog = Backlog(hook)
    backlog.fill(store, NOW + SECOND)
    found = [backlog.pause(NOW + after * SECOND, 0.5) for after in (1, 4.75, 5, 5.75, 7)]
    assert found == [0.5, 0.25, 0.5, 0.25, 0.5]


def test_one_event_holds_so_many_messages_and_other_events_come_behind(store, hook):
    for number in range(1, bursts.MOST_MESSAGES + 2):
        put(store, f"{number}", 0)
    with store.write():
        apply_event(store, Edited(REEM_JID, "id 1", "one", int(NOW.timestamp()), REEM_JID), NOW)
    most = bursts.MOST_MESSAGES
    hook["events"] = ["message", "edited"]
    backlog = Backlog(hook)
    backlog.fill(store, NOW)
    first, *others = (each.numbers for each in backlog.known.values())
    assert (first, others) == ([*range(1, most + 1)], [[most + 1], [most + 2]])
    assert [number for number, _ in backlog.due(NOW)] == [1]
    del backlog.known[1]
    assert [number for number, _ in backlog.due(NOW)] == [], "the next is still open, the edit is behind it"
    assert [number for number, _ in backlog.due(NOW + 5 * SECOND)] == [most + 1]


def test_what_was_handed_over_stays_what_it_was_after_a_kill(store, hook):
    for number, chat in enumerate((REEM_JID, ADAM_JID, REEM_JID), 1):
        put(store, f"{number}", number, chat)
    with store.write():
        first, _, third = lines(store, 1, 2, 3)
        row = deliveries.begin(store, hook["id"], first, NOW, [third["id"]])
    put(store, "4", 4)
    backlog = Backlog(hook)
    backlog.fill(store, NOW)
    assert [each.numbers for each in backlog.known.values()] == [[1, 3], [2], [4]]
    assert backlog.known[1].window is None, "nothing joins it"
    with store.write():
        backlog.pass_on(store, 2)
        assert table.get(store, "web")["cursor"] == 0
        deliveries.end(store, row, NOW, "done")
        backlog.known.pop(2)
        backlog.pass_on(store, 1)
    assert table.get(store, "web")["cursor"] == 3
    found = {each["event_id"]: each for each in deliveries.recent(store, hook["id"], 9)}
    assert {number: (each["status"], each["folded_into"]) for number, each in found.items()} == {
        1: ("done", None),
        3: ("done", 1),
    }
    store.execute("UPDATE hooks SET cursor = 0")
    assert groups(store, table.get(store, "web")) == [[2], [4]], "what is done is not handed over again"


def test_an_edit_and_a_deletion_in_the_window_are_in_the_event(store, hook):
    for number, text in enumerate(("helo", "never mind", "are you open?")):
        put(store, text, number)
    at = int(NOW.timestamp())
    with store.write():
        apply_event(store, Edited(REEM_JID, "id helo", "hello", at, REEM_JID), NOW)
        apply_event(store, Deleted(REEM_JID, "id never mind", at, REEM_JID), NOW)
    made = event(store, 1, 2, 3)
    assert (made["id"], made["at"]) == (1, lines(store, 3)[0]["at"])
    assert texts(made["data"]) == ["hello", None, "are you open?"]
    assert made["data"]["content"] == "are you open?"
    assert [bool(each["deleted_at"]) for each in made["data"]["messages"]] == [False, True, False]


def test_the_text_of_a_deleted_message_is_not_kept(store, hook):
    put(store, "secret", 0)
    put(store, "hello", 1)
    text = json.dumps(event(store, 1, 2))
    with store.write():
        row = deliveries.begin(store, hook["id"], lines(store, 1)[0], NOW, [2])
        deliveries.end(store, row, NOW, "failed", event=text)
        apply_event(store, Deleted(REEM_JID, "id hello", int(NOW.timestamp()), REEM_JID), NOW)
    kept = store.value("SELECT event FROM hook_deliveries WHERE event_id = 1")
    running = bursts.without_deleted(store, text)
    for each in (kept, running):
        data = json.loads(each)["data"]
        assert texts(data) == ["secret", None]
        assert data["content"] is None
    assert deliveries.failed(store, hook["id"]) == 1


def test_a_program_gets_all_and_answers_once(wa, spawn, home, store, tmp_path):
    """Three messages of one person, and one of another between them; then a failure that is tried again."""
    path = tmp_path / "bot.py"
    path.write_text(BOT, encoding="utf-8")
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0
    options = ["--exec", f"{sys.executable} {path}", "--settle", "1s", "--session", "same_day"]
    assert wa("hooks", "add", "bot", *options).code == 0
    with receiving() as receiver:
        receiver.answer = lambda event: 410 if event["data"]["content"] == "three" else 200
        assert wa("hooks", "add", "web", "--webhook", receiver.url, "--settle", "1s").code == 0
        spawn("run-scheduler", WA_SEND_SPACING="0")
        begin = system_now()
        with store.write():  # all at once, however busy the machine is
            put(store, "one", begin=begin)
            put(store, "two", 0.1, begin=begin)
            put(store, "by another", 0.2, ADAM_JID, begin=begin)
            put(store, "three", 0.3, begin=begin)
        wait_for(lambda: delivered(home) == ["one + two + three 3"])
        assert system_now() - begin >= SECOND
        (row,) = store.rows("SELECT * FROM scheduled_messages")
        assert row["idempotency_key"] == "hook:1:1"

        def outcomes(name):
            found = wa("hooks", "show", name, "--json").json["deliveries"][::-1]
            return [(each["event_id"], each["folded_into"], each["status"]) for each in found]

        wait_for(lambda: len(outcomes("web")) == 4)
        both = [(1, None, "done"), (2, 1, "done"), (3, None, "done"), (4, 1, "done")]
        wait_for(lambda: outcomes("bot") == both)
        wait_for(lambda: {each[2] for each in outcomes("web")} == {"failed", "done"})
        assert "with event 1" in wa("hooks", "show", "web").out
        receiver.answer = lambda event: 200
        assert wa("hooks", "resume", "web").code == 0
        assert wa("hooks", "retry", "web", "--json").json["retried"] == 1
        wait_for(lambda: {each[2] for each in outcomes("web")} == {"done"})
        first, *_, last = (event for event in receiver.events if event["id"] == 1)
        assert texts(first["data"]) == texts(last["data"]) == ["one", "two", "three"]
        assert store.value("SELECT min(cursor) FROM hooks") >= 4


def test_a_restored_backup_keeps_what_was_to_be_handed_over_together(store, wa, hook):
    put(store, "one")
    put(store, "two", 1)
    with store.write():
        row = deliveries.begin(store, hook["id"], lines(store, 1)[0], NOW, [2])
        deliveries.end(store, row, NOW, "waiting", next_at=None)
    assert wa("backup").code == 0
    assert wa("backup", "restore", "latest").code == 0
    found = wa("hooks", "show", "web", "--json").json
    assert [(each["event_id"], each["folded_into"]) for each in found["deliveries"]] == [(2, 1), (1, None)]
    assert {each["status"] for each in found["deliveries"]} == {"failed"}
    kept = json.loads(store.value("SELECT event FROM hook_deliveries WHERE event_id = 1"))
    assert (texts(kept["data"]), kept["late"]) == (["one", "two"], True)
    assert wa("hooks", "retry", "web", "--json").json["retried"] == 1


def test_the_pause_is_set_shown_and_checked(wa):
    for wrong in (["x"], ["2h"], ["-1s"], ["15m"], ["5m", "--max-age", "1m"]):
        refused = wa("hooks", "add", "bot", "--exec", "cat", "--settle", *wrong, "--json")
        assert (refused.code, refused.error["code"]) == (2, "usage"), wrong
    assert wa("hooks", "add", "bot", "--exec", "cat", "--settle", "5s", "--json").json["settle"] == 5.0
    assert "waits 5 s for what a person writes next" in wa("hooks", "show", "bot").out
    sample = json.loads(wa("hooks", "test", "bot", "--json").json["output"])
    assert texts(sample["data"]) == ["Hello, this is a sample"]
    assert wa("hooks", "edit", "bot", "--max-age", "4s", "--json").error["code"] == "usage"
    assert wa("hooks", "edit", "bot", "--timeout", "9s", "--json").json["settle"] == 5.0
    assert wa("hooks", "edit", "bot", "--settle", "0", "--json").json["settle"] == 0.0


# ── Whatever happens ────────────────────────────────────────────────────────────────────────────────


class Played(Worker):
    """A worker without a thread of its own, whose receiver answers as chance has it."""

    def __init__(self, home, now, hook, chance, heard):
        super().__init__(home, SETTINGS, now, hook)
        self.chance, self.heard = chance, heard

    def _hand_over(self, number, known):
        self.heard.append(json.loads(known.text))
        is_refused = self.chance.random() < 0.3
        self._results.append((number, Result(error="no", again=True) if is_refused else Result()))

    def step(self, store, *, dies=False):
        """Hand over what is due; with `dies`, end before the outcome is noted."""
        self._step(store)
        wait_for(lambda: len(self._results) == self._backlog.running())
        if not dies:
            self._step(store)
            wait_for(lambda: len(self._results) == self._backlog.running())


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(n, marks=pytest.mark.soak) for n in range(3, 40))])
def test_each_message_is_in_one_event_and_all_come_in_order(store, home, seed):
    """People write, the receiver refuses, wa is killed: at any time, by chance."""
    chance, clock, heard = random.Random(seed), FakeClock(), []  # noqa: S311
    people, places = [REEM_JID, ADAM_JID, "447700900789@s.whatsapp.net"], [None, None, GROUP]
    values = {"webhook": "http://127.0.0.1:9/", "settle": 5.0, "groups": "also", "max_age": 10.0**6}
    table.add(store, "web", values, clock())
    worker, count = None, 0

    def goes_on(dies=False):
        nonlocal worker
        if worker is None:
            with store.write():
                deliveries.take_up(store, 1, clock())
            worker = Played(home, clock, table.get(store, "web"), chance, heard)
        worker.step(store, dies=dies)
        settled = deliveries.settled_behind(store, 1, 0)
        assert settled >= set(range(1, table.get(store, "web")["cursor"] + 1)), "its place is not ahead"

    for _ in range(120):
        for _ in range(chance.choice([0, 0, 1, 1, 2, 70 if chance.random() < 0.05 else 1])):
            count += 1
            person = chance.choice(people)
            put(store, f"{count}", 0, chance.choice(places) or person, person, begin=clock())
        clock.advance(seconds=chance.choice([0.1, 1, 2, 4, 6, 30]))
        dies = chance.random() < 0.15
        if chance.random() < 0.8:
            goes_on(dies)
        if dies:
            worker = None
    for _ in range(200):
        clock.advance(hours=1)
        goes_on()
    together = {}
    for event in heard:
        numbers = [int(each["message_id"][3:]) for each in event["data"]["messages"]]
        assert together.setdefault(event["id"], numbers) == numbers, "an id holds the same again"
        assert len(numbers) <= bursts.MOST_MESSAGES
        assert len({(each["chat_jid"], each["sender"]) for each in event["data"]["messages"]}) == 1
        times = [from_iso(each["created_at"]) for each in event["data"]["messages"]]
        assert all(later - earlier < 5 * SECOND for earlier, later in pairwise(times))
    assert sorted(number for numbers in together.values() for number in numbers) == list(range(1, count + 1))
    assert table.get(store, "web")["cursor"] == log.newest(store)
    chats = {}
    for event in heard:
        firsts = chats.setdefault(event["data"]["chat_jid"], [])
        if event["id"] not in firsts:
            firsts.append(event["id"])
    assert all(firsts == sorted(firsts) for firsts in chats.values())
