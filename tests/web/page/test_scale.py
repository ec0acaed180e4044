"""The page over a store of many years: 5,000 chats, 10,000 contacts, 100,000 rows of the queue."""

from __future__ import annotations

import itertools
import json
import time
from datetime import timedelta

import pytest
from conftest import FakeClock
from web_client import serving
from web_page import Browser

from wa.times import to_iso

CHATS, CONTACTS, ROWS, MESSAGES = 5_000, 10_000, 100_000, 100_000
STATUSES = (
    "sent", "sent", "sent", "sent", "sent", "pending", "failed", "cancelled", "missed", "draft"
)  # fmt: skip
LONGEST = 0.2
"""Seconds that a screen may take on the server."""


def phone(number):
    return f"1555{number:07}"


def jid(number):
    return f"{phone(number)}@s.whatsapp.net"


def insert(store, table, rows):
    first = next(rows)
    columns = ", ".join(first)
    marks = ", ".join(f":{name}" for name in first)
    store.conn.executemany(
        f"INSERT INTO {table} ({columns}) VALUES ({marks})", itertools.chain([first], rows)
    )


def fill(store, now):
    """Fill a store with made-up people, chats, messages and rows of the queue."""
    at, begin, end = to_iso(now), now - timedelta(days=1000), int(now.timestamp())
    made = {"created_at": at, "updated_at": at}

    def row_of_the_queue(i):
        due, status, person = begin + timedelta(minutes=i * 20), STATUSES[i % len(STATUSES)], i % CONTACTS + 1
        is_sent = status == "sent"
        return {
            "id": f"{1_600_000_000_000 + i}_{i:06x}", "to_jid": jid(person), "to_phone": phone(person),
            "message": f"Text {i}", "scheduled_at": to_iso(due), "timezone": "Europe/London",
            "status": status, "expires_at": to_iso(due + timedelta(hours=6)),
            "sent_at": at if is_sent else None, "message_id": f"Q{i}" if is_sent else None, **made,
        }  # fmt: skip

    def message(i):
        chat = jid(1 if i % 2 else i % CHATS + 1)
        return {
            "chat_jid": chat, "message_id": f"M{i}", "sender": chat, "content": f"message {i} about it",
            "timestamp": end - i * 60, "is_from_me": i % 4 == 0, "status": "read", "created_at": at,
        }  # fmt: skip

    def contact(i):
        return {
            "id": i, "phone": phone(i), "name": f"Person {i} Sample", "aliases": json.dumps([f"alias {i}"]),
            "tags": '["family"]', "is_favorite": i % 500 == 0,
            "birthday": f"--{i % 12 + 1:02}-{i % 28 + 1:02}", **made,
        }  # fmt: skip

    def chat(i):
        return {"id": jid(i), "unread_count": i % 3, "last_message_time": end - i * 60, **made}

    people = range(1, CONTACTS + 1)
    with store.write():
        insert(store, "contacts", map(contact, people))
        insert(store, "contact_phones", ({"phone": phone(i), "contact_id": i} for i in people))
        insert(store, "chats", map(chat, range(1, CHATS + 1)))
        insert(store, "messages", map(message, range(MESSAGES)))
        insert(store, "scheduled_messages", map(row_of_the_queue, range(ROWS)))


@pytest.mark.soak
def test_each_screen_is_quick(store, wa, record_property):
    clock = FakeClock()
    fill(store, clock())
    wa("template", "add", "greeting", "Hello {first}", now=clock)
    what = ("--tag", "family", "--part", "Come", "--at", "in 2 days")
    job = wa("jobs", "add", "--title", "All", *what, "--json", now=clock).json["id"]
    when = ("--at", "tomorrow 9am", "--every", "month")
    made = wa("schedule", "add", phone(7), "Rent", *when, "--json", now=clock).json
    row, series, chat = made["id"], made["series_id"], jid(1)
    with serving(now=clock) as api:
        browser = Browser(api)
        paths = [
            "/", "/schedule", f"/queue/{row}/edit", f"/queue/{row}/now", "/line", "/chats", "/chats?q=99",
            "/chats?q=nothing-at-all", "/chats?q=about", f"/chats/{chat}", f"/chats/{chat}?q=about",
            "/contacts", "/contacts?q=person+99", "/contacts?q=alias", "/contacts/77", "/contacts/new",
            "/jobs", f"/jobs/{job}", f"/jobs/{job}?after=5000", f"/series/{series}", "/people?q=",
            "/people?q=alias+9", "/reading?at=tomorrow+9am&every=week", "/contacts?after=9900",
            *(f"/figures?days={days}&by={by}" for days in (7, 365, 3650) for by in ("day", "person", "tag")),
            f"/figures?chat={chat}&days=365", "/figures?by=hour",
            *(f"/queue/all/{name}" for name in ("needs", "drafts", "waiting", "sent", "cancelled")),
        ]  # fmt: skip
        found = {}
        for path in paths:
            times = []
            for _ in range(3):
                began = time.perf_counter()
                assert browser.open(path).status == 200, path
                times.append(time.perf_counter() - began)
            found[path] = min(times)  # the least disturbed by others on the machine
        for name in (
            "/queue/all/sent",
            "/chats",
            f"/chats/{chat}",
            "/contacts",
        ):  # page after page
            page = browser.open(name)
            for _ in range(30):
                more = [
                    each["href"] for tag, each in page.tags
                    if tag == "a" and ("after=" in each.get("href", "") or "before=" in each.get("href", ""))
                ]  # fmt: skip
                began = time.perf_counter()
                page = browser.open(more[-1])
                found[name + " on"] = max(found.get(name + " on", 0), time.perf_counter() - began)
    record_property("seconds", {path: round(taken, 3) for path, taken in found.items()})
    slow = {path: round(taken, 3) for path, taken in found.items() if taken > LONGEST}
    assert not slow, (slow, found)
