"""Hooks end to end: what a program prints is the reply, what an address gets is signed and in order."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered, is_connected, wait_for
from receiver import receiving
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from wa.connection.context import system_now
from wa.connection.incoming.events import apply_event
from wa.hooks import deliveries, replies, table, webhook
from wa.hooks.serving import runner
from wa.hooks.serving import worker as worker_module
from wa.hooks.serving.backlog import Backlog, Known, is_due
from wa.hooks.serving.worker import Worker
from wa.record.events import log
from wa.settings import parse_settings
from wa.store.database import BATCH
from wa.times import to_iso
from wa.whatsapp.events import Deleted, JidMapped, MessageReceived

NOW = FakeClock()()
GROUP = "120363000000000001@g.us"
ECHO = "import json, sys; event = json.load(sys.stdin); print('you said', event['data']['content'])"
SETTINGS = parse_settings({"WA_TRANSPORT": "loopback", "WA_TZ": "UTC"}, lambda: "UTC")


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


@pytest.fixture
def bot(tmp_path, wa):
    """Add a hook whose program is Python source; return its name."""

    def add(source=ECHO, *options, name="bot"):
        path = tmp_path / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        made = wa("hooks", "add", name, "--exec", f"{sys.executable} {path}", *options, "--json")
        assert made.code == 0, made.err
        return name

    return add


@pytest.fixture
def contact(wa):
    assert wa("contacts", "add", "Reem Sample", REEM).code == 0


def put(store, *texts, chat=REEM_JID, sender=None, now=None, **fields):
    """Record live messages."""
    now = now or system_now()
    for text in texts:
        with store.write():
            at = int(now.timestamp())
            said = MessageReceived(chat, f"id {text}", sender or chat, at, text, **fields)
            apply_event(store, said, now)


def outcomes(wa, name="bot"):
    """Return what became of the events of a hook, the oldest first."""
    return wa("hooks", "show", name, "--json").json["deliveries"][::-1]


def settled(wa, count, name="bot"):
    """Wait until so many events of a hook have an outcome; return these."""
    wait_for(lambda: sum(each["status"] in ("done", "failed") for each in outcomes(wa, name)) >= count)
    return outcomes(wa, name)


# ── Programs ────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_program_prints_is_the_reply(wa, spawn, bot, contact, home, store):
    bot()
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wa("loopback", "say", REEM, "good morning")
    wait_for(lambda: delivered(home) == ["you said good morning"])
    (row,) = store.rows("SELECT * FROM scheduled_messages")
    assert (row["to_jid"], row["created_from"], row["hook_id"]) == (REEM_JID, "hook", 1)
    (outcome,) = settled(wa, 1)
    assert (outcome["status"], outcome["row_id"], outcome["error"]) == ("done", row["id"], None)
    hook = table.get(store, "bot")
    assert hook["cursor"] >= outcome["event_id"]


def test_strangers_groups_and_what_wa_sent_get_no_reply(wa, spawn, bot, contact, home, store):
    bot()
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wa("loopback", "say", ADAM, "from a stranger")
    wa("loopback", "say", REEM, "in a group", "--group", GROUP)
    wa("send", REEM, "by us", "--no-wait")
    wa("loopback", "say", REEM, "last")
    wait_for(lambda: "you said last" in delivered(home))
    assert sorted(delivered(home)) == ["by us", "you said last"]
    told = {each["error"] for each in settled(wa, 2)}
    assert told == {None, "the sender is no contact: --reply-to-strangers answers strangers"}


def test_who_is_heard_is_chosen(wa, spawn, bot, contact, store, home):
    bot(ECHO, "--reply-to-strangers", name="all")
    bot(ECHO, "--groups", "only", name="groups")
    bot(ECHO, "--chat", REEM, name="chat")
    bot(ECHO, "--from", REEM, "--groups", "also", name="person")
    bot(ECHO, "--events", "queue,connection", name="other")
    put(store, "one")
    put(store, "two", chat=ADAM_JID)
    put(store, "three", chat=GROUP, sender=REEM_JID)
    put(store, "four", chat="status@broadcast", sender=REEM_JID)
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wait_for(lambda: all(table.get(store, name)["cursor"] >= 0 for name in ("all",)))
    heard = {}
    ids = {row["id"]: row["message_id"] for row in store.rows("SELECT id, message_id FROM events")}

    def all_heard():
        for name in ("all", "groups", "chat", "person"):
            heard[name] = [ids[each["event_id"]] for each in outcomes(wa, name) if each["status"] == "done"]
        return [len(each) for each in heard.values()] == [2, 1, 1, 2]

    wait_for(all_heard)
    assert heard == {
        "all": ["id one", "id two"],
        "groups": ["id three"],
        "chat": ["id one"],
        "person": ["id one", "id three"],
    }
    wait_for(lambda: {each["type"] for each in outcomes(wa, "other")} == {"queue", "connection"})
    assert all(each["row_id"] is None for each in outcomes(wa, "other"))


def test_a_late_message_and_a_hook_that_proposes_make_drafts(wa, spawn, bot, contact, store):
    bot()
    put(store, "three days ago", now=system_now() - timedelta(days=3))
    bot(ECHO, "--draft", "--since", "0", name="shy")
    put(store, "now")
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wait_for(lambda: store.value("SELECT count(*) FROM scheduled_messages") == 4)
    found = dict(store.execute("SELECT idempotency_key, status = 'draft' FROM scheduled_messages"))
    assert found == {"hook:1:1": 1, "hook:1:2": 0, "hook:2:1": 1, "hook:2:2": 1}


def test_two_bots_rest_after_ten_replies(wa, spawn, bot, contact, home, store):
    """The other bot is the loop below: it answers whatever it gets."""
    bot()
    spawn("run-scheduler", WA_SEND_SPACING="0")
    for number in range(11):
        wa("loopback", "say", REEM, f"turn {number}")
        settled(wa, number + 1)
    wait_for(lambda: len(delivered(home)) == 10)
    hook = table.get(store, "bot")
    assert (hook["status"], hook["reason"][:32]) == ("resting", "it sent 10 messages to one chat ")
    assert "wa hooks resume bot" in wa("status").out
    assert wa("status", "--json").json["resting_hooks"] == [{"name": "bot", "reason": hook["reason"]}]
    assert wa("hooks", "resume", "bot").code == 0
    assert table.get(store, "bot")["status"] == "active"


def test_a_hook_on_its_own_messages_and_on_the_queue_makes_no_loop(wa, spawn, bot, contact, home, store):
    """It prints for whatever it hears of, also of what it has sent itself."""
    types = ",".join(log.TYPES)
    bot("import json, sys; print('heard of', json.load(sys.stdin)['type'])", "--own", "--events", types)
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wa("loopback", "say", REEM, "hello")
    wait_for(lambda: delivered(home) == ["heard of message"])

    def heard():
        found = wa("hooks", "show", "bot", "--json").json
        return {each["type"] for each in found["deliveries"] if each["status"] == "done"}

    wait_for(lambda: heard() >= {"message", "queue", "receipt", "connection"})
    wait_for(lambda: table.get(store, "bot")["cursor"] == log.newest(store))
    assert delivered(home) == ["heard of message"]
    assert store.value("SELECT count(*) FROM scheduled_messages") == 1


@pytest.mark.soak
def test_two_programs_that_call_send_come_to_rest(wa, spawn, bot, contact, home, store):
    """Each turn of the other is a message of Reem; the bot answers each by `wa send`, and prints nothing."""
    command = [str(Path(sys.executable).parent / "wa"), "send", REEM]
    source = (
        f"import subprocess, sys\nsubprocess.run([*{command!r}, 'again', '--no-wait'], capture_output=True)"
    )
    bot(source)
    spawn("run-scheduler", WA_SEND_SPACING="0")
    for number in range(12):
        wa("loopback", "say", REEM, f"turn {number}")
        wait_for(lambda: table.get(store, "bot")["status"] == "resting" or len(settled(wa, number + 1)))  # noqa: B023
    wait_for(lambda: table.get(store, "bot")["status"] == "resting")
    wait_for(lambda: delivered(home) == ["again"] * 10)


def test_a_program_that_calls_send_is_counted_too(wa, contact, store, bot):
    bot()
    for number in range(10):
        assert wa("send", REEM, f"text {number}", "--no-wait", WA_HOOK="1:5").code == 0
    refused = wa("send", REEM, "one more", "--no-wait", "--json", WA_HOOK="1:5")
    assert (refused.code, refused.error["code"]) == (5, "rate-limit-exceeded")
    assert table.get(store, "bot")["status"] == "resting"
    assert wa("send", ADAM, "to somebody else", "--no-wait").code == 0
    assert store.value("SELECT count(*) FROM scheduled_messages WHERE hook_id = 1") == 10


def test_a_second_run_changes_no_reply_that_is_there(store, wa, bot, contact):
    """A run whose outcome was not noted is repeated; the model prints another text then."""
    hook = table.get(store, bot())
    put(store, "hello")
    (line,) = log.after(store, 0)
    message = json.loads(line["data"])
    with store.write():
        first = replies.reply(store, SETTINGS, hook, 1, message, "one", system_now(), late=False)
        again = replies.reply(store, SETTINGS, hook, 1, message, "another", system_now(), late=False)
    assert first == again
    assert [row["message"] for row in store.rows("SELECT message FROM scheduled_messages")] == ["one"]


@pytest.mark.parametrize(("age", "status"), [("15m", "sent"), ("1s", "draft")])
def test_what_a_program_did_not_take_is_kept_and_tried_again_on_request(
    wa, spawn, bot, contact, home, store, age, status
):
    """The reply is a draft if the message is older than --max-age by then."""
    flag = home.path / "flag"
    bot(f"import os, sys\nif not os.path.exists({str(flag)!r}): sys.exit('not yet')\nprint('now')")
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wa("loopback", "say", REEM, "hello")
    (outcome,) = settled(wa, 1)
    assert (outcome["status"], outcome["error"]) == ("failed", "it ended with exit code 1: not yet")
    assert wa("hooks", "list", "--json").json[0]["failed"] == 1
    flag.touch()
    assert wa("hooks", "edit", "bot", "--max-age", age).code == 0
    wait_for(lambda: time.time() > store.value("SELECT timestamp FROM messages") + 2, what="two seconds")
    with store.write():
        log.prune(store, system_now() + timedelta(days=30))  # it is handed over from what was kept
    assert wa("hooks", "retry", "bot", "--json").json == {"name": "bot", "retried": 1}
    reply = {"message": "now", "status": status}
    wait_for(lambda: store.row("SELECT message, status FROM scheduled_messages") == reply)


@pytest.mark.parametrize("change", [["edit", "bot", "--draft"], ["pause", "bot"], ["remove", "bot"]])
def test_nothing_is_handed_over_by_a_hook_as_it_was_before_a_change(wa, bot, contact, home, store, change):
    """A process learns of a change a second later, and of a new message at once."""
    worker = Worker(home, SETTINGS, system_now, table.get(store, bot()))
    assert wa("hooks", *change).code == 0
    put(store, "hello")
    worker._step(store)
    assert store.value("SELECT count(*) FROM hook_deliveries") == 0


def test_a_paused_hook_hears_of_all_when_it_goes_on(wa, spawn, bot, contact, home, store):
    bot()
    wa("hooks", "pause", "bot")
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wa("loopback", "say", REEM, "first")
    wa("loopback", "say", REEM, "second")
    wait_for(lambda: store.value("SELECT count(*) FROM messages") == 2)
    assert outcomes(wa) == []
    wa("hooks", "resume", "bot")
    wait_for(lambda: delivered(home) == ["you said first", "you said second"])


def test_a_contact_whose_hidden_id_is_known_by_now_is_answered(store, wa, bot, contact):
    hook, lid = table.get(store, bot()), "100000000000123@lid"
    put(store, "hello", chat=lid)
    message = json.loads(log.after(store, 0)[0]["data"])
    with store.write():
        apply_event(store, JidMapped(lid, REEM_JID), system_now())
        row_id, why = replies.reply(store, SETTINGS, hook, 1, message, "hi", system_now(), late=False)
    assert why is None
    assert store.value("SELECT to_jid FROM scheduled_messages WHERE id = ?", [row_id]) == REEM_JID


def test_a_run_that_another_process_repeats_notes_nothing(store, wa, bot, contact):
    hook = table.get(store, bot())
    put(store, "hello")
    (line,) = log.after(store, 0)
    with store.write():
        first = deliveries.begin(store, hook["id"], line, system_now())
        assert deliveries.is_current(store, first)
        second = deliveries.begin(store, hook["id"], line, system_now())
        assert not deliveries.is_current(store, first)
        deliveries.end(store, second, system_now(), "done")
        assert not deliveries.is_current(store, second)


def test_the_text_of_a_deleted_message_is_not_kept_for_another_try(store, wa, bot):
    hook, second = (table.get(store, bot(name=name)) for name in ("first", "second"))
    put(store, "a secret")
    (line,) = log.after(store, 0)
    text = log.event_of(line, late=False)
    with store.write():
        row = deliveries.begin(store, hook["id"], line, system_now())
        other = deliveries.begin(store, second["id"], line, system_now())
        deliveries.end(store, row, system_now(), "failed", event=text)
        said = Deleted(REEM_JID, "id a secret", int(system_now().timestamp()), REEM_JID)
        apply_event(store, said, system_now())
        assert other["status"] == "running"
    for each in (row, other):
        now = json.loads(deliveries.text_now(store, each["hook_id"], 1, text))
        assert (now["data"]["content"], bool(now["data"]["deleted_at"])) == (None, True)


def test_what_is_not_settled_holds_the_place_of_its_hook_also_after_a_fault(store, bot):
    """The transaction that would have moved it is rolled back, as on a full disk."""
    hook = table.get(store, bot())
    put(store, "one", "two")
    backlog = Backlog(hook)
    backlog.fill(store, system_now())

    def fail() -> None:
        with store.write():
            backlog.pass_on(store, 1)
            raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError):
        fail()
    with store.write():
        backlog.pass_on(store, 2)
    assert table.get(store, hook["name"])["cursor"] == 0


def test_a_wait_that_a_clock_set_back_made_long_is_over():
    waits = [timedelta(days=-1), timedelta(minutes=5), timedelta(days=365)]
    assert [is_due(Known(REEM_JID, system_now() + wait), system_now()) for wait in waits] == [
        True,
        False,
        True,
    ]


# ── Web addresses ───────────────────────────────────────────────────────────────────────────────────


def test_an_address_gets_each_event_signed_and_in_order(wa, spawn, receiver, store):
    made = wa("hooks", "add", "web", "--webhook", receiver.url, "--events", "message,reaction", "--json")
    secret = made.json["secret"]
    put(store, *(f"text {number}" for number in range(20)))
    spawn("run-scheduler")
    wait_for(lambda: len(receiver.posted) == 20)
    assert receiver.texts == [f"text {number}" for number in range(20)]
    headers, body = receiver.posted[0]
    event = Webhook(secret).verify(body, headers)
    assert (event["type"], event["id"], event["late"]) == ("message", 1, False)
    assert headers["webhook-id"] == "evt_1"
    for wrong in (
        (Webhook(table.new_secret()), body, headers),
        (Webhook(secret), body + b" ", headers),
        (Webhook(secret), body, {**headers, "webhook-timestamp": "1"}),
    ):
        with pytest.raises(WebhookVerificationError):
            wrong[0].verify(*wrong[1:])
    assert "secret" not in wa("hooks", "show", "web", "--json").json
    assert wa("hooks", "show", "web", "--secret", "--json").json["secret"] == secret


@pytest.mark.parametrize("answer", ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_receiver_that_answers_without_end_is_left(answer):
    """The timeout of a socket begins anew with each byte."""
    ended = threading.Event()

    def serve() -> None:
        with listening.accept()[0] as talk, suppress(OSError):
            talk.sendall(answer.encode())
            while not ended.wait(0.05):
                talk.sendall(answer[-30:].encode())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        address, begin = f"http://127.0.0.1:{listening.getsockname()[1]}/", time.monotonic()
        result = webhook.post(address, table.new_secret(), 1, "{}", 0.5, NOW)
        assert (result.error, result.again) == ("it was not reached: timed out", True)
        assert time.monotonic() - begin < 5
        ended.set()
        thread.join()


def test_the_end_of_wa_does_not_wait_for_an_answer():
    ending, begin = webhook.Ending(), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        threading.Timer(0.2, ending.set).start()
        for _ in range(2):  # one that runs, and one that would begin
            result = webhook.post(address, table.new_secret(), 1, "{}", 30, NOW, ending)
            assert (result.error, result.again) == ("it was not reached: wa ended", True)
    assert time.monotonic() - begin < 10
    assert not ending.running


def test_a_chat_whose_events_are_refused_delays_no_other(wa, spawn, receiver, store, monkeypatch):
    receiver.answer = lambda event: 500 if event["data"]["chat_jid"] == ADAM_JID else 200
    wa("hooks", "add", "web", "--webhook", receiver.url)
    put(store, "a1", "a2", chat=ADAM_JID)
    put(store, "r1", "r2")
    spawn("run-scheduler")
    wait_for(lambda: receiver.texts == ["a1", "r1", "r2"])
    first = outcomes(wa, "web")[0]
    assert (first["status"], first["error"], first["attempts"]) == ("waiting", "it answered 500", 1)
    assert table.get(store, "web")["cursor"] == 0, "it is not ahead of what was taken"
    receiver.answer = lambda event: 200
    wait_for(lambda: receiver.texts == ["a1", "r1", "r2", "a1", "a2"], timeout=20)
    wait_for(lambda: table.get(store, "web")["cursor"] >= 4)


def test_gone_pauses_and_a_redirect_is_not_followed(wa, spawn, receiver, store):
    wa("hooks", "add", "web", "--webhook", receiver.url)
    receiver.answer, receiver.location = (lambda event: 302), f"{receiver.url}/elsewhere"
    put(store, "one")
    spawn("run-scheduler")
    wait_for(lambda: [each["error"] for each in outcomes(wa, "web")] == ["it answered 302"])
    assert len(receiver.posted) == 1
    receiver.answer, receiver.location = (lambda event: 410), None
    wait_for(lambda: table.get(store, "web")["status"] == "paused", timeout=20)
    assert table.get(store, "web")["reason"] == "the receiver is gone (410)"


def test_the_signature_is_that_of_the_convention():
    """The example of the convention's own document."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


# ── The commands ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--exec", "bot", "--webhook", "https://example.org"],
        ["--exec", "bot 'unclosed"],
        ["--webhook", "http://example.org/hook"],
        ["--webhook", "https://user:password@example.org/hook"],
        ["--webhook", "ftp://example.org"],
        ["--webhook", "example.org"],
        ["--webhook", "https://example.org/a b"],
        ["--webhook", "https://example.org/\nb"],
        ["--webhook", "https://example.org:port/"],
        ["--exec", "bot", "--events", "message,nothing"],
        ["--exec", "bot", "--groups", "maybe"],
        ["--exec", "bot", "--timeout", "soon"],
        ["--exec", "bot", "--timeout", "2d"],
        *(["--exec", "bot", "--", name] for name in ("", " ", "a\nb", " a", "\x1b[31m", "n" * 65)),
    ],
)
def test_what_makes_no_hook_is_usage(wa, options):
    words = options if "--" in options else ["bot", *options]
    refused = wa("hooks", "add", "--json", *words)
    assert (refused.code, refused.error["code"]) == (2, "usage")
    assert "password" not in refused.error["message"].replace("a password", "")
    assert wa("hooks", "list", "--json").json == []


def test_hooks_are_listed_edited_and_removed(wa, bot, store):
    bot()
    assert wa("hooks", "add", "x", "--exec", "y", "--chat", "nobody", "--json").error["code"] == "not-found"
    ahead = wa("hooks", "add", "ahead", "--exec", "y", "--since", "99", "--chat", REEM, "--json").json
    assert (ahead["cursor"], ahead["chats"]) == (log.newest(store), [REEM_JID]), "it hears what comes"
    assert wa("hooks", "remove", "ahead").code == 0
    assert wa("hooks", "add", "bot", "--exec", "true", "--json").error["code"] == "usage"
    edited = wa("hooks", "edit", "bot", "--timeout", "90s", "--events", "message,edited", "--own", "--json")
    assert (edited.json["timeout"], edited.json["events"], edited.json["own"]) == (
        90.0,
        ["message", "edited"],
        True,
    )
    assert wa("hooks", "edit", "bot", "--webhook", "https://example.org", "--json").error["code"] == "usage"
    assert wa("hooks", "test", "bot").out == "it would reply: you said Hello, this is a sample\n"
    assert wa("hooks", "remove", "bot").code == 0
    for command in ("show", "edit", "remove", "pause", "resume", "retry", "test"):
        assert wa("hooks", command, "bot", "--json").error["code"] == "not-found"


def test_what_was_deleted_before_it_was_heard_is_counted(wa, spawn, receiver, store):
    wa("hooks", "add", "web", "--webhook", receiver.url)
    put(store, *(f"old {number}" for number in range(3)), now=NOW - timedelta(days=30))
    put(store, "new")
    log.prune(store, system_now())
    spawn("run-scheduler")
    wait_for(lambda: receiver.texts == ["new"])
    assert table.get(store, "web")["missed"] == 3
    assert "deleted before it could hear of them: 3 events" in wa("hooks", "show", "web").out


@pytest.mark.parametrize("after", ["oldest", "newest"])
def test_what_is_told_while_a_hook_looks_at_an_empty_log_was_not_deleted(store, bot, monkeypatch, after):
    hook, look = table.get(store, bot()), getattr(log, after)

    def look_before(store):
        found = look(store)
        monkeypatch.setattr(log, after, look)
        put(store, "Hello")
        return found

    monkeypatch.setattr(log, after, look_before)
    backlog = Backlog(hook)
    backlog.fill(store, NOW)
    assert ([each.numbers for each in backlog.known.values()], backlog.read_to) == ([[1]], 1)
    assert table.get(store, "bot")["missed"] == 0


def test_what_a_hook_reads_on_while_it_is_asked_whether_it_is_done_is_not_done(store, bot):
    """The end of the connection is told last, and the process ends once all hooks are done."""
    backlog = Backlog(table.get(store, bot()))
    put(store, "Hello")

    class Read(dict):
        def values(self):
            found = list(super().values())
            backlog.fill(store, NOW)
            return found

    backlog.known = Read()
    assert not backlog.is_empty_up_to(log.newest(store))


def test_a_hook_that_its_own_outcome_pauses_hears_no_more_before_anybody_else_looks(
    home, store, wa, receiver
):
    wa("hooks", "add", "web", "--webhook", receiver.url)
    put(store, "one", "two")
    receiver.answer = lambda event: 410
    worker = Worker(home, SETTINGS, system_now, table.get(store, "web"))
    worker._step(store)
    wait_for(lambda: worker._results)
    worker._step(store)
    assert (table.get(store, "web")["status"], worker._backlog.running()) == ("paused", 0)
    assert [row["status"] for row in deliveries.recent(store, 1, 10)] == ["failed"]


def test_a_hook_whose_worker_died_is_served_though_the_store_does_not_change(
    home, store, wa, bot, monkeypatch
):
    """The hook hears of what was told before, and of nothing more that would be a change."""
    bot()
    put(store, "Hello")
    opened, failed = runner.Store, []

    def fail_at_first(*args, **options):
        if (name := threading.current_thread().name) not in failed:
            failed.append(name)
            raise sqlite3.OperationalError("unable to open database file")
        return opened(*args, **options)

    for module in (runner, worker_module):
        monkeypatch.setattr(module, "Store", fail_at_first)
    monkeypatch.setattr(runner, "WATCH_SECONDS", 0.05)
    with runner.Runner(home, SETTINGS, system_now):
        settled(wa, 1)
    assert failed == ["hooks", "hook bot"]


def test_a_hook_that_was_edited_has_no_worker_that_begins_after_the_end(home, store, wa, bot, monkeypatch):
    """The watcher still waits for the program of before, which takes its time to end."""
    bot()
    waits, goes_on, join = threading.Event(), threading.Event(), Worker.join

    def wait_and_join(worker, seconds):
        if threading.current_thread().name == "hooks":
            waits.set()
            goes_on.wait(2)
        else:
            goes_on.set()
        join(worker, seconds)

    monkeypatch.setattr(Worker, "join", wait_and_join)
    with runner.Runner(home, SETTINGS, system_now) as hooks:
        wait_for(lambda: hooks._workers)
        assert wa("hooks", "edit", "bot", "--timeout", "9s").code == 0
        hooks.look()
        assert waits.wait(30)
    wait_for(lambda: not hooks._thread.is_alive())
    assert not any(worker.is_alive for worker in hooks._workers.values())


def test_outcomes_are_kept_for_a_week_and_failures_until_they_are_tried(store, wa, bot):
    hook = table.get(store, bot())
    old = system_now() - timedelta(days=8)
    with store.write():
        for number in range(BATCH + 2):
            line = {"id": number, "type": "message", "chat_jid": REEM_JID}
            row = deliveries.begin(store, hook["id"], line, old)
            deliveries.end(store, row, old, "failed" if number == 1 else "done", event="{}")
    deliveries.prune(store, system_now())
    assert [row["event_id"] for row in deliveries.recent(store, hook["id"], 10)] == [1]


def test_a_restored_backup_hands_nothing_over_again(store, wa, spawn, receiver):
    """What a hook heard since the backup was made, it does not hear again; what waited is set aside."""
    wa("hooks", "add", "web", "--webhook", receiver.url)
    wa("hooks", "add", "removed", "--exec", "true")
    put(store, "before")
    assert wa("backup").code == 0
    wa("hooks", "remove", "removed")
    wa("hooks", "add", "later", "--exec", "true")
    receiver.answer = lambda event: 503 if event["data"]["content"] == "waits" else 200
    owner = spawn("run-scheduler")
    put(store, "heard")
    put(store, "waits", chat=ADAM_JID)
    wait_for(lambda: sorted(receiver.texts) == ["before", "heard", "waits"])
    wait_for(lambda: [each["status"] for each in outcomes(wa, "web")][-1] == "waiting")
    owner.popen.terminate()
    assert owner.finish().code == 0
    newest = log.newest(store)
    assert wa("backup", "restore", "latest").code == 0
    hooks = {hook["name"]: hook["cursor"] for hook in table.listing(store)}
    assert hooks == {"web": hooks["web"], "removed": newest}
    assert [each["status"] for each in outcomes(wa, "web")] == ["done", "done", "failed"]
    receiver.answer = lambda event: 200
    spawn("run-scheduler")
    put(store, "new")
    wait_for(lambda: receiver.texts[3:] == ["new"])
    assert wa("hooks", "retry", "web", "--json").json["retried"] == 1
    wait_for(lambda: receiver.texts[3:] == ["new", "waits"])


@pytest.mark.soak
def test_twenty_thousand_events_wait_for_a_receiver_that_is_down(store, wa, spawn, receiver):
    """The listener's memory stays flat, another hook hears at once; then all come in order."""
    receiver.answer = lambda event: 503
    wa("hooks", "add", "web", "--webhook", receiver.url)
    with receiving() as other:
        wa("hooks", "add", "other", "--webhook", other.url)
        owner = spawn("run-scheduler")
        wait_for(lambda: memory_of(owner.pid) > 0)
        put(store, "first")
        wait_for(lambda: receiver.posted)
        wait_for(lambda: other.texts == ["first"])
        before = memory_of(owner.pid)
        now = system_now()
        with store.write():
            for number in range(20_000):
                said = MessageReceived(REEM_JID, f"M{number}", REEM_JID, int(now.timestamp()), str(number))
                apply_event(store, said, now)
        wait_for(lambda: len(other.posted) == 20_001, 300, "the other hook's events")
        assert memory_of(owner.pid) < before + 8
        receiver.answer, receiver.posted[:] = (lambda event: 200), []
        wait_for(lambda: len(receiver.posted) == 20_001, 600, "all events")
        assert receiver.texts == ["first", *map(str, range(20_000))]
        assert memory_of(owner.pid) < before + 8


def memory_of(pid):
    """Return the megabytes of a process that are in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


# ── A hook of one listener ──────────────────────────────────────────────────────────────────────────


def test_a_listener_has_a_hook_of_its_own_while_it_runs(wa, spawn, contact, home, store, tmp_path):
    path = tmp_path / "bot.py"
    path.write_text(ECHO, encoding="utf-8")
    owner = spawn("run-scheduler", WA_SEND_SPACING="0")
    wait_for(lambda: is_connected(home))
    beside = spawn("listen", "--exec", f"{sys.executable} {path}")
    wait_for(lambda: [row["name"] for row in table.listing(store)] == [f"listen {beside.pid}"])
    wa("loopback", "say", REEM, "good morning")
    wait_for(lambda: delivered(home) == ["you said good morning"])
    beside.signal(signal.SIGTERM)
    assert beside.finish().code == 0
    assert table.listing(store) == []
    killed = spawn("listen", "--exec", f"{sys.executable} {path}")
    wait_for(lambda: table.listing(store))
    killed.kill()
    wa("loopback", "say", REEM, "anybody there?")
    owner.kill()
    spawn("run-scheduler", WA_SEND_SPACING="0")
    wait_for(lambda: table.listing(store) == [], what="the end of the hook of a listener that was killed")
    assert delivered(home) == ["you said good morning"]


def test_no_send_withholds_what_is_scheduled_and_no_reply(wa, spawn, contact, home, tmp_path):
    path = tmp_path / "bot.py"
    path.write_text(ECHO, encoding="utf-8")
    wa("schedule", "add", REEM, "scheduled", "--at", "in 1 second")
    spawn("listen", "--exec", f"{sys.executable} {path}", "--no-send")
    wait_for(lambda: is_connected(home))
    wait_for(lambda: wa("schedule", "list", "--json").json[0]["scheduled_at"] < to_iso(system_now()))
    wa("loopback", "say", REEM, "hello")
    wait_for(lambda: delivered(home) == ["you said hello"])


def test_a_listener_posts_to_an_address(wa, spawn, receiver, store):
    listener = spawn("listen", "--webhook", receiver.url)
    wait_for(lambda: table.listing(store))
    put(store, "one", "two")
    wait_for(lambda: receiver.texts == ["one", "two"])
    listener.signal(signal.SIGTERM)
    assert listener.finish().code == 0
    for options in (
        ["--exec", "x", "--webhook", receiver.url],
        ["--webhook", "http://example.org"],
        ["--exec", "'"],
    ):
        assert wa("listen", *options, "--json").error["code"] == "usage"
