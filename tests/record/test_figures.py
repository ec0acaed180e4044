"""Figures: the same as an independent reckoning; each message read once, by an index."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from datetime import datetime, timedelta, timezone
from itertools import groupby
from statistics import median

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock
from query_plans import plans

from wa.jids import is_group
from wa.record import responses, write
from wa.record.figures import exchange
from wa.record.figures.tally import COUNTS
from wa.times import load_zone, to_iso
from wa.whatsapp.events import MessageReceived

CLOCK = FakeClock("2026-11-20T12:00:00")
ME = "447700900999@s.whatsapp.net"
SARA = "447700900777@s.whatsapp.net"
GROUP = "1203630000000000001@g.us"
CHANNEL = "120363000000000009@newsletter"
DAYS = 40


@pytest.fixture
def told(store):
    """Messages of 60 days in order, as (chat, sender, at, is ours, the times of its receipts)."""
    chance = random.Random(20)  # noqa: S311
    begin = int((CLOCK.at - timedelta(days=60)).timestamp())
    found = []
    with store.write():
        store.insert("device", {"id": 1, "jid": ME, "push_name": "Lea"})
        for number, at in enumerate(
            sorted(chance.randrange(begin, begin + 60 * 86_400) for _ in range(3000))
        ):
            chat = chance.choice([REEM_JID, ADAM_JID, SARA, GROUP, GROUP, CHANNEL, ME])
            is_ours = chat == ME or (chat != CHANNEL and chance.random() < 0.5)
            sender = ME if is_ours else chance.choice([REEM_JID, SARA]) if chat == GROUP else chat
            kind = chance.choice(["text", "text", "text", "voice", "system", "reaction"])
            event = MessageReceived(chat, f"{number}", sender, at, "Hi", kind, is_from_me=is_ours)
            write.record(store, event, "history", CLOCK.at)
            after = {}
            if is_ours and chat != ME and chance.random() < 0.8:
                after["delivered"] = at + chance.randrange(9)
                if chance.random() < 0.7:
                    after["read"] = after["delivered"] + chance.randrange(9000)
                if kind == "voice" and "read" in after and chance.random() < 0.5:
                    after["played"] = after["read"] + 5
            if chat == GROUP:
                after = {}
            for name, then in after.items():
                when = to_iso(datetime.fromtimestamp(then, timezone.utc))
                row = {
                    "chat_jid": chat,
                    "message_id": f"{number}",
                    "recipient": chat,
                    "kind": name,
                    "at": when,
                }
                responses.add_receipt(store, row)
                write.update_status(store, chat, f"{number}")
            if kind not in ("system", "reaction") and chat != CHANNEL:
                found.append((chat, sender, at, is_ours, after))
    return found


def reckoned(told, zone, key, chats=None):
    """Return the messages, the counts by `key(time, chat, sender, is ours)`, the seconds to each answer."""
    first = datetime.combine(
        CLOCK.at.astimezone(zone).date() - timedelta(days=DAYS - 1), datetime.min.time(), zone
    )
    rows = [each for each in told if each[2] >= first.timestamp() and (not chats or each[0] in chats)]
    counts, answers = Counter(), []
    for number, (chat, sender, at, is_ours, after) in enumerate(rows):
        name = key(datetime.fromtimestamp(at, zone), chat, sender, is_ours)
        counts[name, "sent" if is_ours else "received"] += 1
        counts[name, "delivered"] += "delivered" in after
        counts[name, "read"] += "read" in after
        counts[name, "played"] += "played" in after
        if is_ours and not is_group(chat):
            answer = next((each for each in rows[number:] if each[0] == chat and not each[3]), None)
            counts[name, "answered"] += answer is not None
            answers += [answer[2] - at] if answer else []
    return rows, counts, answers


def found_counts(found, by):
    """Return the counts of the rows of figures that are not zero."""
    return {(row[by], name): row[name] for row in found["rows"] for name in COUNTS if row[name]}


KEYS = {
    "day": lambda at, *_: f"{at:%Y-%m-%d}",
    "week": lambda at, *_: f"{at:%G-W%V}",
    "month": lambda at, *_: f"{at:%Y-%m}",
    "hour": lambda at, *_: at.hour,
    "person": lambda at, chat, sender, is_ours: chat if is_ours or not is_group(chat) else sender,
}


def test_figures_are_those_of_an_independent_reckoning(store, told):
    for zone_name, by in [
        ("Europe/London", "day"), ("Asia/Kathmandu", "day"), ("America/New_York", "hour"), ("UTC", "week"),
        ("Australia/Lord_Howe", "month"), ("UTC", "person"),
    ]:  # fmt: skip
        zone = load_zone(zone_name)
        found = exchange.figures(store, CLOCK.at, zone, days=DAYS, by=by)
        rows, counts, answers = reckoned(told, zone, KEYS[by])
        assert found_counts(found, by) == {key: count for key, count in counts.items() if count}, (
            zone_name,
            by,
        )
        for name in COUNTS:
            assert found[name] == sum(row[name] for row in found["rows"]), name
        assert found["median_seconds"]["answer"] == round(median(answers))
        delivered = [after["delivered"] - at for _, _, at, _, after in rows if after]
        read = [after["read"] - at for _, _, at, _, after in rows if "read" in after]
        assert found["median_seconds"]["delivery"] == round(median(delivered))
        assert found["median_seconds"]["reading"] == round(median(read))
        hours = Counter(datetime.fromtimestamp(each[2], zone).hour for each in rows)
        best = sorted(hours.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
        assert [(each["hour"], each["messages"]) for each in found["busiest_hours"]] == best
        waiting = {}
        for chat, of_chat in groupby(sorted(rows, key=lambda row: row[0]), key=lambda row: row[0]):
            ordered = list(of_chat)
            mine = [number for number, row in enumerate(ordered) if row[3]]
            rest = ordered[mine[-1] + 1 :] if mine else ordered
            if rest and not is_group(chat):
                waiting[chat] = (to_iso(datetime.fromtimestamp(rest[0][2], timezone.utc)), len(rest))
        assert {each["chat_jid"]: (each["since"], each["messages"]) for each in found["waiting"]} == waiting
    of_reem = exchange.figures(store, CLOCK.at, zone, days=DAYS, by="day", chat=REEM_JID)
    _, counts, _ = reckoned(told, zone, KEYS["day"], {REEM_JID})
    assert found_counts(of_reem, "day") == {key: count for key, count in counts.items() if count}
    assert len(of_reem["rows"]) == DAYS


def test_messages_are_read_once_and_by_an_index(store, told):
    for chat, index in ((None, "messages_by_time"), (REEM_JID, "messages_by_chat")):
        found = plans(
            store,
            lambda chat=chat: exchange.figures(store, CLOCK.at, timezone.utc, days=9, by="tag", chat=chat),
        )
        of_messages = [plan for sql, plan in found.items() if "FROM messages" in sql]
        assert len(of_messages) == 1
        assert f"SEARCH m USING INDEX {index}" in of_messages[0]
        assert "TEMP B-TREE" not in of_messages[0]
        assert not [plan for plan in found.values() if re.search(r"SCAN (m|messages|receipts|r)\b", plan)]


def test_days_are_found_that_have_no_more_than_so_many_messages(store, told):
    dates = sorted(datetime.fromtimestamp(at, timezone.utc).date() for _, _, at, *_ in told)

    def within(most, days=40, chat=None):
        how = {"days": days, "most": most, "chat": chat}
        return exchange.days_within(store, CLOCK.at, timezone.utc, **how)

    for most in (0, 1, 50, 400, 900):
        days = within(most)
        first = CLOCK.at.date() - timedelta(days=days - 1)
        assert sum(date >= first for date in dates) <= most or days == 1
    assert [within(10_000), within(10_000, days=3650), within(10_000, chat=REEM_JID)] == [40, 3650, 40]
    for chat in (None, REEM_JID):
        found = plans(store, lambda chat=chat: within(50, chat=chat))
        assert "TEMP B-TREE" not in "".join(found.values())


def test_the_command_shows_bars_and_tags(wa, store, told):
    wa("contacts", "add", "Reem Sample", REEM)
    wa("contacts", "tag", "Reem Sample", "family")
    wa("schedule", "add", REEM, "Later", "--at", "2026-11-20 18:00", now=CLOCK)
    result = wa("stats", "--by", "tag", "--json", now=CLOCK)
    tags = {row["tag"]: row for row in result.json["rows"]}
    people = {row["person"]: row for row in wa("stats", "--by", "person", "--json", now=CLOCK).json["rows"]}
    assert tags["family"]["sent"] == people[REEM_JID]["sent"] > 0
    assert tags[None]["sent"] == sum(row["sent"] for jid, row in people.items() if jid != REEM_JID)
    assert people[REEM_JID]["name"] == "Reem Sample"
    assert result.json["scheduled"] == {"pending": 1}
    lines = wa("stats", REEM, "--days", "2", now=CLOCK).out.splitlines()
    assert lines[0] == "Reem Sample, 2 days, Europe/London"
    assert [line.split("\t")[0] for line in lines[-2:]] == ["2026-11-19", "2026-11-20"]
    assert wa("stats", "--by", "year").code == wa("stats", "--days", "0").code == 2
    assert wa("stats", "nobody").code == 4
    assert wa("stats", ADAM, "--days", "36500", "--by", "month", "--json", now=CLOCK).json["sent"] > 0


def test_a_day_begins_at_midnight_of_the_zone_also_when_clocks_change(store, wa):
    clock = FakeClock("2026-10-25T12:00:00")  # clocks go back in London at 01:00 UTC
    for number, at in enumerate(["2026-10-24T22:59:59Z", "2026-10-24T23:00:00Z", "2026-10-25T23:59:59Z"]):
        seconds = int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp())
        event = MessageReceived(REEM_JID, str(number), REEM_JID, seconds, "Hi")
        with store.write():
            write.record(store, event, "history", clock.at)
    found = wa("stats", "--days", "1", "--json", now=clock).json
    assert (found["received"], found["from"], found["to"]) == (
        2,
        "2026-10-24T23:00:00.000Z",
        "2026-10-26T00:00:00.000Z",
    )
    assert [(row["day"], row["received"]) for row in found["rows"]] == [("2026-10-25", 2)]


def test_what_is_stored_is_counted(wa, store, told, home):
    home.media.mkdir()
    (home.media / "a.jpg").write_bytes(b"12345")
    found = wa("db", "stats", "--json").json
    assert (
        found["total_messages"]
        == found["tables"]["messages"]["rows"]
        == sum(found["messages_by_chat"].values())
        == 3000
    )
    assert found["messages_by_chat"][REEM_JID] == store.value(
        "SELECT count(*) FROM messages WHERE chat_jid = ?", [REEM_JID]
    )
    assert found["database_size_bytes"] == home.store.stat().st_size
    assert found["database_size_mb"] == round(found["database_size_bytes"] / 1024**2, 2)
    assert (found["active_sessions"], found["media_files"], found["media_size_bytes"]) == (0, 1, 5)
    sizes = [table["bytes"] for table in found["tables"].values()]
    assert None in sizes or 0 < sum(sizes) <= found["database_size_bytes"] + found["wal_size_bytes"]
    assert "messages_by_chat" not in wa("db", "stats").out
    assert json.dumps(found)
