"""Homes for the measurements, made by the checkout that is measured; `subjects` calls these functions."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

from bench import corpus, heavy
from wa.connection import apply
from wa.connection.context import system_now
from wa.jids import phone_of_jid
from wa.people import edit
from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.store.open import open_store
from wa.store.paths import Home
from wa.times import to_iso
from wa.whatsapp.events import GroupInfo, JidMapped, Named
from wa.whatsapp.loopback.server import Loopback

GRACE = timedelta(hours=6)


def empty(path: str) -> None:
    """Make a home with an empty store."""
    home = Home(Path(path))
    home.prepare()
    open_store(home).close()


def lived_in(path: str, kind: str) -> None:
    """Make the small or the heavy home."""
    heavy.build(Home(Path(path)), {"small": heavy.SMALL, "heavy": heavy.HEAVY}[kind], system_now())


def introduced(path: str) -> None:
    """Make a home with the people, hidden ids and groups of the corpus, linked as one of them."""
    home = Home(Path(path))
    home.prepare()
    store, now = open_store(home), system_now()
    with store.write(durable=False):
        for number, person in enumerate(corpus.people()):
            name = corpus.name_of(number)
            apply.apply_event(store, JidMapped(corpus.hidden(person), person), now)
            apply.apply_event(store, Named(person, name), now)
            if number % 3:
                edit.add(store, name, [str(phone_of_jid(person))], now, region=None)
        for number, group in enumerate(corpus.groups()):
            members = tuple((person, "member") for person in corpus.people()[number : number + 12])
            apply.apply_event(store, GroupInfo(group, f"Group {number}", members), now)
    store.close()
    _link(home)


def _link(home: Home) -> None:
    """Write what the library's own database says of the account and of the hidden ids."""
    db = sqlite3.connect(home.session)
    db.executescript(
        "CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT);"
        "CREATE TABLE whatsmeow_lid_map (lid TEXT PRIMARY KEY, pn TEXT UNIQUE);"
    )
    db.execute("INSERT INTO whatsmeow_device VALUES (?, NULL, 'Me')", [corpus.ME])
    pairs = ((corpus.hidden(p).partition("@")[0], p.partition("@")[0]) for p in corpus.people())
    db.executemany("INSERT INTO whatsmeow_lid_map VALUES (?, ?)", pairs)
    db.commit()
    db.close()


def queue(path: str, count: int, wait: float = 0.0, over: float = 0.0, receipts: bool = True) -> str:
    """Queue messages that are due from `wait` seconds on, over so many seconds; return when the first is."""
    home = Home(Path(path))
    home.prepare()
    store, people = open_store(home), corpus.people()
    start = system_now() + timedelta(seconds=wait)
    with store.write():
        for number in range(count):
            jid = people[number % len(people)]
            person = Recipient(jid, phone_of_jid(jid), corpus.name_of(number % len(people)))
            text = f"Message {number}: see you at the harbour, das wird schön"
            due = start + timedelta(seconds=number * over / count)
            schedule.enqueue(store, person, text, due, system_now(), grace=GRACE)
    store.close()
    server = Loopback(home)
    if not receipts:
        server.set_fault("receipts", "off")
    server.close()
    return to_iso(start)
