"""Homes as people have them after years: a heavy one, and a small one of the same kind."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from wa.jids import jid_of_phone
from wa.queue.rows import local_at
from wa.record.messages import PAD
from wa.store.database import BATCH, Store
from wa.store.fold import fold
from wa.store.open import bind_store, open_store
from wa.store.paths import Home
from wa.times import to_iso

ME = jid_of_phone("12015550199")
ZONE = "Europe/London"
FIRST = ("Reem", "Adam", "Noor", "Lena", "Omar", "Mei", "Ivan", "Asha", "Tom", "Yara", "Jürgen", "Zoë")
LAST = ("Sample", "Example", "Muster", "Tester", "Nobody", "Specimen", "Ejemplo", "Esempio")
_WORDS = (
    "hello", "thanks", "tomorrow", "birthday", "invoice", "meeting", "please", "call", "train", "photo",
    "morning", "later", "café",
)  # fmt: skip
_MEMBERS = 12
_NOT_SENT = {
    "pending": 0.01, "draft": 0.0004, "held": 0.0006, "unknown": 0.0002, "failed": 0.009, "missed": 0.007,
    "cancelled": 0.025,
}  # fmt: skip
"""The share of the queue's rows with each status; all others are sent."""


@dataclass(frozen=True)
class Sizes:
    """The number of rows of each kind that a home has."""

    chats: int
    contacts: int
    queue: int
    receipts: int
    received: int
    """Messages of others, beside those that were sent from the queue."""


HEAVY = Sizes(chats=5_000, contacts=10_000, queue=100_000, receipts=300_000, received=60_000)
SMALL = Sizes(chats=20, contacts=30, queue=60, receipts=180, received=200)


def phone(number: int) -> str:
    """Return a phone number reserved for fiction: 100 of each area code of North America."""
    return f"1{201 + number // 100:03d}55501{number % 100:02d}"


def name(number: int) -> str:
    """Return the name of a contact."""
    return f"{FIRST[number % len(FIRST)]} {LAST[number // len(FIRST) % len(LAST)]} {number}"


def build(home: Home, sizes: Sizes, now: datetime) -> None:
    """Make a home with made-up people, chats, messages, receipts, and a queue of the last two years.

    Nothing is due: what waits is for later than tomorrow, and what ended did so before yesterday.
    """
    home.prepare()
    store = open_store(home)
    bind_store(store, "loopback")
    maker = _Maker(store, sizes, now)
    store.execute("PRAGMA synchronous=OFF")
    with store.write(durable=False):
        maker.make_people()
        maker.make_queue()
        maker.make_received()
        maker.make_rest()
    store.close()


class _Maker:
    def __init__(self, store: Store, sizes: Sizes, now: datetime) -> None:
        self._store, self._sizes, self._now = store, sizes, now
        self._random = random.Random(19)
        self._at = to_iso(now)
        groups = max(1, sizes.chats // 17)
        people = range(sizes.chats - groups)  # the last tenth of the chats is with strangers
        strangers = len(people) // 10
        self._people = [phone(n if n < len(people) - strangers else sizes.contacts + n) for n in people]
        self._groups = [f"120363{n:013d}@g.us" for n in range(groups)]
        self._chats = [*map(jid_of_phone, self._people), *self._groups]
        self._newest: dict[str, int] = {}
        self._texts: list[tuple[int, str]] = []
        self._number = 0

    def _insert(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns.split(",")))
        self._store.conn.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    # ── People ──────────────────────────────────────────────────────────────────────────────────────

    def make_people(self) -> None:
        """Make contacts, the names that people chose, hidden ids, groups and their members."""
        count, at = self._sizes.contacts, self._at
        self._insert(
            "contacts",
            "id, phone, name, aliases, tags, is_favorite, notes, birthday, created_at, updated_at",
            (
                (n + 1, None if n % 50 == 49 else phone(n), name(n),
                 json.dumps([f"nick{n}"] if n % 10 == 0 else []), json.dumps(["work"] if n % 7 == 0 else []),
                 n % 200 == 0, f"met in {1990 + n % 30}" if n % 4 == 0 else None,
                 f"1980-{1 + n % 12:02d}-{1 + n % 28:02d}" if n % 5 == 0 else None, at, at)
                for n in range(count)
            ),
        )  # fmt: skip
        numbers = ((phone(n), n + 1, "mobile") for n in range(count) if n % 50 != 49)
        self._insert("contact_phones", "phone, contact_id, label", numbers)
        jids = [jid_of_phone(phone(n)) for n in range(count)]
        self._insert("push_names", "jid, name", ((jid, f"~{n}") for n, jid in enumerate(jids) if n % 2))
        self._insert("jid_aliases", "lid, pn", ((f"9{n:08d}0000@lid", jid) for n, jid in enumerate(jids)))
        members = (
            (group, jid, "admin" if jid == ME else "member")
            for group in self._groups
            for jid in (ME, *self._random.sample(jids, min(_MEMBERS, count)))
        )
        self._insert("group_members", "chat_jid, member_jid, role", members)

    # ── The queue, and what was sent from it ────────────────────────────────────────────────────────

    def make_queue(self) -> None:
        """Make the rows of the queue; of those that were sent, their messages, wire marks and receipts."""
        count = self._sizes.queue
        statuses = [s for s, share in _NOT_SENT.items() for _ in range(max(1, round(count * share)))]
        statuses += ["sent"] * (count - len(statuses))
        self._random.shuffle(statuses)
        first = self._now - timedelta(days=700)
        step = timedelta(days=698) / count
        rows = [self._row(n, status, first + n * step) for n, status in enumerate(statuses)]
        columns = ", ".join(rows[0])
        self._insert("scheduled_messages", columns, (tuple(row.values()) for row in rows))
        sent = [row for row in rows if row["status"] == "sent"]
        self._insert(
            "wire", "message_id, to_jid, at", ((r["message_id"], r["to_jid"], r["sent_at"]) for r in sent)
        )
        self._say((r["to_jid"], r["message_id"], ME, r["message"], r["sent_at"], True) for r in sent)
        receipts = islice(self._receipts(sent), self._sizes.receipts)
        self._insert("receipts", "chat_jid, message_id, recipient, kind, at", receipts)

    def _row(self, number: int, status: str, moment: datetime) -> dict[str, Any]:
        to = self._random.choice(self._chats)
        is_open = status in ("pending", "draft", "held")
        due = self._now + timedelta(days=1, minutes=self._random.randrange(500_000)) if is_open else moment
        was_tried = status in ("sent", "unknown")
        made = moment - timedelta(hours=self._random.randrange(1, 200))
        person = None if to.endswith("@g.us") else to.partition("@")[0]
        return {
            "id": f"{int(made.timestamp() * 1000)}_{self._random.getrandbits(20):05x}{number % 16:x}",
            "to_jid": to,
            "to_phone": person,
            "message": self._text(),
            "scheduled_at": to_iso(due),
            "timezone": ZONE if is_open else None,
            "local_at": local_at(due, ZONE) if is_open else None,
            "is_immediate": not is_open and number % 3 == 0,
            "status": status,
            "error_code": {"failed": "send-failed", "unknown": "unknown-outcome"}.get(status),
            "created_at": to_iso(made),
            "updated_at": to_iso(made if is_open else moment),
            "sent_at": to_iso(moment) if status == "sent" else None,
            "claimed_at": to_iso(moment) if was_tried else None,
            "message_id": f"3EB0{number:018X}" if was_tried else None,
            "attempts": int(was_tried),
            "expires_at": to_iso(due + timedelta(hours=6)),
            "idempotency_key": f"key-{number}" if number % 4 == 0 else None,
        }

    def _receipts(self, sent: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
        for kind in ("delivered", "read"):
            for row in sent:
                everybody = [row["to_jid"]]
                if row["to_jid"].endswith("@g.us"):
                    everybody = [jid_of_phone(phone(n)) for n in range(_MEMBERS)]
                for person in everybody:
                    yield row["to_jid"], row["message_id"], person, kind, row["sent_at"]
        for row in sent:
            yield row["to_jid"], row["message_id"], row["to_jid"], "played", row["sent_at"]

    # ── Messages ────────────────────────────────────────────────────────────────────────────────────

    def make_received(self) -> None:
        """Make the messages of others, each chat with at least one; a few chats have unread ones."""
        count = self._sizes.received
        step = 700 * 86_400 / count
        first = int(self._now.timestamp()) - 700 * 86_400

        def lines() -> Iterator[tuple[str, str, str, str, str, bool]]:
            for n in range(count):
                chat = self._chats[n] if n < len(self._chats) else self._random.choice(self._chats)
                sender = jid_of_phone(phone(n % _MEMBERS)) if chat.endswith("@g.us") else chat
                at = to_iso(datetime.fromtimestamp(first + n * step, self._now.tzinfo))
                yield chat, f"AC{n:018X}", sender, self._text(), at, False

        self._say(lines())
        for start in range(0, len(self._texts), BATCH):
            part = self._texts[start : start + BATCH]
            self._insert("messages_fts", "rowid, folded", part)
        self._insert(
            "chats",
            "id, name, is_group, last_message_time, created_at, updated_at",
            (
                (chat, f"Group {n}" if chat.endswith("@g.us") else None, chat.endswith("@g.us"),
                 self._newest.get(chat), self._at, self._at)
                for n, chat in enumerate(self._chats)
            ),
        )  # fmt: skip
        self._store.execute(
            "UPDATE messages SET status = 'received' WHERE NOT is_from_me AND id > ?",
            [self._number - max(1, count // 1_000)],
        )
        self._store.execute(
            "UPDATE chats SET unread_count = (SELECT count(*) FROM messages"
            " WHERE chat_jid = chats.id AND status = 'received')"
        )

    def _say(self, lines: Iterable[tuple[str, str, str, str, str, bool]]) -> None:
        """Add messages, given as chat, message id, sender, text, time (ISO text), and is_from_me."""
        rows = []
        for chat, message_id, sender, text, at, is_ours in lines:
            self._number += 1
            stamp = int(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp())
            status = "sent" if is_ours else "read"
            rows.append((self._number, chat, message_id, sender, text, stamp, is_ours, status, "live", at))
            self._texts.append((self._number, fold(text) + PAD))
            self._newest[chat] = max(stamp, self._newest.get(chat, 0))
        columns = (
            "id, chat_jid, message_id, sender, content, timestamp, is_from_me, status, source, created_at"
        )
        self._insert("messages", columns, rows)

    def _text(self) -> str:
        return " ".join(self._random.choices(_WORDS, k=self._random.randrange(2, 8)))

    # ── What else a home has ────────────────────────────────────────────────────────────────────────

    def make_rest(self) -> None:
        """Make the checkpoints of history sync, and the newest week's log of events."""
        at = self._at
        begun = ((chat, "not_started", at) for chat in self._chats)
        self._insert("sync_checkpoints", "chat_jid, status, updated_at", begun)
        self._store.execute("UPDATE sync_checkpoints SET status = 'in_progress', progress_percent = 100")
        self._store.execute("UPDATE sync_checkpoints SET status = 'completed'")
        told = self._store.execute(
            "SELECT 'message', chat_jid, message_id, id, created_at, json_object('id', id)"
            " FROM messages ORDER BY timestamp DESC LIMIT ?",
            [max(1, self._sizes.received // 60)],
        ).fetchall()
        self._insert("events", "type, chat_jid, message_id, row_id, at, data", reversed(told))
