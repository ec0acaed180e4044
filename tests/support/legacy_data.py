"""Made-up files of the tool that `wa migrate-s3` takes over from, the same at every run.

`python tests/support/legacy_data.py DIR` writes contacts.json, scheduled-messages.json, jobs.json and
chats.json; `--bytes N` instead writes one chats.json of that size, in no more memory than a
single message needs.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO

Record = dict[str, Any]

CONTACTS, SCHEDULED, JOBS, CHATS, MESSAGES = 272, 50, 20, 100, 20_000
FILES = ("contacts.json", "scheduled-messages.json", "jobs.json", "chats.json")
PAST = datetime(2025, 3, 1, 9, 30, tzinfo=timezone.utc)
"""A time at which the old tool was in use."""
FUTURE = datetime(2099, 6, 1, 9, 30, tzinfo=timezone.utc)
"""A time in the future, whenever a test runs."""
SHORT = 4
"""The least length of a text, so that a cut text never equals a whole one by chance."""

_NAMES = (
    ("Reem Adam Noor Lena Omar Tom", "Sample Haddad Quill Ferry Marsh Otter"),
    ("Zoë Jürgen Agnès Søren Łucja Inês", "Müster Ångfors Çelikyaz Peña Örn Été"),
    ("ريم آدم نور سلمى يارا خالد", "الحداد النموذجي البحري القمري الزاهر الصافي"),
    ("小美 大伟 丽娜 志强 雨桐 建国", "范例 晨光 海蓝 竹影 星河 云朵"),
    ("Ольга Иван Аня Пётр Юлия Фёдор", "Образ Речной Снежко Ясень Луг Мост"),
    ("आशा रवि मीरा देव नीला", "नमूना सागर पर्वत तारा बादल दीपक"),
    ("さくら はると ゆい けんじ みお", "見本 青空 川音 花火 月影 山吹"),
    ("נועה דוד תמר יונתן מאיה", "דוגמה הים ירח אורן שקד נחל"),
    ("Νίκη Πέτρος Δάφνη Άρης Ζωή", "Δείγμας Θάλασσα Βουνός Φεγγάρης Αυγής Ίρις"),
)
_NICKNAMES = ("Sister", "Boss", "Neighbour", "Coach", "Ma", "Doc", "Uncle", "Bestie", "Tío", "أختي", "老师")
_TAGS = ("family", "work", "friends", "football", "school")
_WORDS = (
    *(
        "hello",
        "there",
        "tomorrow",
        "station",
        "platform",
        "birthday",
        "dinner",
        "ticket",
        "garden",
        "bridge",
    ),
    *("letter", "coffee", "evening", "morning", "Straße", "café", "déjà", "naïve", "façade", "今天", "明天"),
    *("你好", "車站", "привет", "завтра", "поезд", "мост", "مرحبا", "غدا", "قطار", "नमस्ते", "कल", "पुल"),
    *("こんにちは", "橋", "שלום", "גשר", "γέφυρα", "😀", "🎉", "❤️", "👍🏽", "👨\u200d👩\u200d👧"),
    *("O'Neill's", '"quoted"', "back\\slash", "tab\there", "two\nlines"),
)
_MEDIA = {
    "image": ("[Image]", "imageMessage"),
    "video": ("[Video]", "videoMessage"),
    "audio": ("[Voice Note]", "audioMessage"),
    "document": ("[Document]", "documentMessage"),
    "other": ("[Sticker]", "stickerMessage"),
}
_KINDS = ("text", *_MEDIA)
_KIND_SHARES = (86, 5, 2, 3, 2, 2)
_RAW = ("id", "id", "id", "id", "null", "absent")
_BODY = ("message", "message", "text")
_DIRECTION = ("isFromMe", "isFromMe", "fromMe", "is_from_me")
_TIME = ("number", "string", "long")


def numbers() -> list[str]:
    """Return all numbers reserved for fiction, shuffled: +44 7700 900… and +1 202 555 01…."""
    found = [f"447700900{n:03}" for n in range(1_000)] + [f"1202555{n:04}" for n in range(100, 200)]
    random.Random(1).shuffle(found)
    return found


def jid(phone: str) -> str:
    """Return the address of a person."""
    return f"{phone}@s.whatsapp.net"


def group(number: int) -> str:
    """Return the address of a group."""
    return f"120363{number:013}@g.us"


def lid(number: int) -> str:
    """Return a hidden address."""
    return f"1000000000{number:05}@lid"


def iso(moment: datetime) -> str:
    """Return a moment as JavaScript writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def names(count: int) -> list[str]:
    """Return different full names, in several scripts."""
    scripts = []
    for first, last in _NAMES:
        pairs = [f"{a} {b}" for a in first.split() for b in last.split()]
        random.Random(2).shuffle(pairs)
        scripts.append(pairs)
    found: list[str] = []
    for turn in range(max(map(len, scripts))):
        found += [pairs[turn] for pairs in scripts if turn < len(pairs)]
    if count > len(found):
        raise ValueError(f"there are only {len(found)} names")
    return found[:count]


def contacts(count: int = CONTACTS) -> dict[str, Record]:
    """Return contacts.json: most in the form of the web page, every tenth in that of the command line."""
    chance = random.Random(3)
    free = iter(numbers())
    made: dict[str, Record] = {}
    for number, name in enumerate(names(count)):
        phones = [next(free)] + ([next(free)] if number % 3 == 0 else [])
        aliases = [f"{chance.choice(_NICKNAMES)} {number}", name.split()[0]][: number % 3]
        if number % 10 == 9:
            made[phones[0]] = {"name": name, "numbers": phones, "aliases": aliases, "notes": f"Note {number}"}
            continue
        made[phones[0]] = {
            "name": name,
            "aliases": aliases,
            "phones": {"primary": phones[0], "secondary": phones[1] if len(phones) > 1 else None},
            "is_favorite" if number % 7 == 0 else "favorite": number % 14 == 0,
            "tags": chance.sample(_TAGS, number % 3),
        }
    return made


def scheduled(count: int = SCHEDULED) -> list[Record]:
    """Return scheduled messages in every status, past and future, with each spelling of their time."""
    chance = random.Random(4)
    people = list(contacts().items())
    statuses = cycle(("sent", "pending", "failed", "cancelled", "deleted", "pending", "processing"))
    spellings = cycle(("scheduledTime", "scheduledAt", "scheduled_at"))
    made = []
    for number, status, spelling in zip(range(count), statuses, spellings, strict=False):
        phone, person = chance.choice(people)
        made_at = PAST + timedelta(hours=7 * number)
        due = FUTURE + timedelta(days=number) if number % 7 == 5 else made_at + timedelta(days=1)
        tail = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6))
        made.append(
            {
                "id": f"{int(made_at.timestamp() * 1000) + 123}_{tail}",
                "to": jid(phone) if number % 2 else phone,
                "contactName": person["name"],
                "message": f"Happy birthday {number}! {_text(chance)}",
                spelling: iso(due),
                "status": status,
                "createdAt": iso(made_at),
                "createdFrom": "web" if number % 3 else "api",
                "sentAt": iso(due + timedelta(seconds=2)) if status == "sent" else None,
                "error": "Connection Closed" if status == "failed" else None,
            }
        )
    return made


def jobs(count: int = JOBS) -> list[Record]:
    """Return jobs in every status, in the two spellings of their fields."""
    chance = random.Random(5)
    people = [jid(phone) for phone in contacts()]
    statuses = ("pending", "running", "paused", "completed", "failed", "cancelled")
    return [_job(number, status, chance, people) for number, status in zip(range(count), cycle(statuses))]


def _job(number: int, status: str, chance: random.Random, people: list[str]) -> Record:
    made_at = PAST + timedelta(days=number)
    start = FUTURE if status == "pending" else made_at + timedelta(hours=1)
    ended = iso(start + timedelta(hours=1))
    recipients = chance.sample(people, 3 + number % 5)
    done = len(recipients) if status == "completed" else number % 3
    parts = [
        {"orderIndex": each, "text": _text(chance), "delayAfterSeconds": 3 if each == 0 else None}
        for each in range(1 + number % 3)
    ]
    job: Record = {
        "id": f"job_{int(made_at.timestamp() * 1000)}_{number:06x}",
        **({"title": f"Invitation {number}"} if number % 4 else {}),
        "createdBy": "web",
        "createdAt": iso(made_at),
        "status": status,
        "recipients": recipients,
        "config": {"intervalMode": "manual", "recipientGapSeconds": 30, "maxRetries": 3},
    }
    last_sent = iso(start + timedelta(minutes=1)) if done else None
    if number % 2:
        job |= {"scheduled_start_at": iso(start), "message_parts": parts, "current_recipient_index": done}
        job |= {"current_part_index": 0, "recipients_sent": done, "recipients_failed": 0}
        job["last_sent_at"] = last_sent
    else:
        job |= {"scheduledStartAt": iso(start), "messageParts": parts}
        job["progress"] = {
            "currentRecipientIndex": done,
            "currentPartIndex": 0,
            "recipientsSent": done,
            "recipientsFailed": 0,
            "lastSentAt": last_sent,
        }
    if status in ("completed", "failed", "cancelled"):
        job["completedAt"] = ended
    if status == "failed":
        job["error"] = "Connection Closed"
    return job


@cache
def _phones() -> list[str]:
    return list(contacts())


class Chat:
    """A chat: its people and its messages, each a second or more after the last.

    `thumbnail` gives each original message a picture of that many characters.
    """

    def __init__(self, number: int, thumbnail: int = 0) -> None:
        self._thumbnail = thumbnail
        self._chance = random.Random(1_000 + number)
        phones = _phones()
        self.is_group = number % 5 == 2
        self.is_hidden = number % 10 == 9
        self.jid = group(number) if self.is_group else lid(number) if self.is_hidden else jid(phones[number])
        self.name = f"Group {number}" if self.is_group else None if self.is_hidden else f"~{number}"
        self._members = [self.jid]
        if self.is_group:
            self._members = [jid(phone) for phone in self._chance.sample(phones, 6)] + [lid(number)]
        self._stamp = int(PAST.timestamp()) + number
        self._texts = [_text(self._chance) for _ in range(200)]
        self._twin: Record | None = None
        self.last: Record | None = None

    def head(self) -> Record:
        """Return the text before the messages."""
        return {"id": self.jid}

    def tail(self) -> Record:
        """Return the text after the messages."""
        rest = {"lastMessageTime": self._stamp, "unreadCount": self._chance.randrange(4), "name": self.name}
        return {**rest, "isGroup": self.is_group}

    def messages(self, count: int) -> Iterator[Record]:
        """Yield the messages. Some of those without an id come twice, and are two messages."""
        for _ in range(count):
            twin, self._twin = self._twin, None
            self.last = twin or self._message()
            if twin is None and not self.last.get("rawMessage") and self._chance.random() < 0.05:
                self._twin = dict(self.last)
            yield self.last

    def _message(self) -> Record:
        chance = self._chance
        self._stamp += chance.randrange(1, 4_000)
        kind = chance.choices(_KINDS, _KIND_SHARES)[0]
        text = chance.choice(self._texts)
        if kind != "text":
            text = _MEDIA[kind][0] + ("" if kind in ("audio", "other") else text)
        mine = chance.random() < 0.45
        message: Record = {
            chance.choice(_BODY): text,
            "timestamp": self._time(),
            chance.choice(_DIRECTION): mine,
            "messageType": kind,
            "date": iso(datetime.fromtimestamp(self._stamp, timezone.utc)),
        }
        raw = chance.choice(_RAW)
        if raw != "absent":
            message["rawMessage"] = self._raw(kind, text, mine) if raw == "id" else None
        return message

    def _time(self) -> int | str | Record:
        form = self._chance.choice(_TIME)
        if form == "long":
            return {"low": self._stamp, "high": 0, "unsigned": True}
        return self._stamp if form == "number" else str(self._stamp)

    def _raw(self, kind: str, text: str, mine: bool) -> Record:
        chance = self._chance
        key: Record = {"remoteJid": self.jid, "fromMe": mine, "id": f"3EB0{chance.getrandbits(72):018X}"}
        sender = chance.choice(self._members)
        if self.is_group and not mine:
            key["participant"] = sender
        raw: Record = {"key": key, "messageTimestamp": self._stamp, "status": 3}
        if not mine:
            raw["pushName"] = f"~{sender[:12]}"
        if kind == "text":
            raw["message"] = {"extendedTextMessage": {"text": text, "previewType": 0}}
        else:
            raw["message"] = {
                _MEDIA[kind][1]: {
                    "url": f"https://mmg.example.com/v/{chance.getrandbits(128):032x}",
                    "mediaKey": f"{chance.getrandbits(256):064x}",
                    "fileLength": {"low": chance.randrange(10**6), "high": 0, "unsigned": True},
                }
            }
        if self._thumbnail:
            raw["jpegThumbnail"] = f"{chance.getrandbits(64):016x}" * (self._thumbnail // 16)
        return raw


def _text(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=1 + int(chance.expovariate(1 / 8)))).ljust(SHORT, ".")


def shares(chats: int, messages: int) -> list[int]:
    """Return how many messages each chat has: a few have many, many have few, each has one at least."""
    weights = [1 / (rank + 3) for rank in range(chats)]
    found = [max(1, int(messages * weight / sum(weights))) for weight in weights]
    found[0] += messages - sum(found)
    return found


def write_chats(path: Path, chats: int = CHATS, messages: int = MESSAGES) -> None:
    """Write chats.json as one object by chat id, with exactly `messages` messages."""
    with path.open("w", encoding="utf-8") as file:
        for number, count in enumerate(shares(chats, messages)):
            file.write(",\n" if number else "{\n")
            _write_chat(file, Chat(number), count)
        file.write("\n}\n")


def write_chats_of_size(path: Path, size: int, largest: float = 0.5, thumbnail: int = 0) -> int:
    """Write a chats.json of that many bytes or a little more; return how many messages are in it.

    One chat is `largest` of the whole; the others have 500 messages each.
    """
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("{\n")
        first = Chat(0, thumbnail)
        file.write(f"{json.dumps(first.jid)}: {_opened(first)}")
        while file.tell() < size * largest:  # only now and then, because it flushes
            for message in first.messages(500):
                file.write(f"{',' if count else ''}\n{_dump(message)}")
                count += 1
        file.write(_closed(first))
        number = 1
        while file.tell() < size:
            file.write(",\n")
            chat = Chat(number % CONTACTS, thumbnail)
            if number >= CONTACTS:
                chat.jid = group(number)
            _write_chat(file, chat, 500)
            number, count = number + 1, count + 500
        file.write("\n}\n")
    return count


def _write_chat(file: TextIO, chat: Chat, count: int) -> None:
    file.write(f"{json.dumps(chat.jid)}: {_opened(chat)}")
    for number, message in enumerate(chat.messages(count)):
        file.write(f"{',' if number else ''}\n{_dump(message)}")
    file.write(_closed(chat))


def _opened(chat: Chat) -> str:
    return _dump(chat.head())[:-1] + ', "messages": ['


def _closed(chat: Chat) -> str:
    return "\n], " + _dump(chat.tail())[1:]


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def write_all(folder: Path, chats: int = CHATS, messages: int = MESSAGES) -> None:
    """Write all four files."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "contacts.json", contacts())
    write(folder / "scheduled-messages.json", {"messages": scheduled()})
    write(folder / "jobs.json", {"jobs": jobs()})
    write_chats(folder / "chats.json", chats, messages)


def write(path: Path, value: object) -> None:
    """Write a value as the old tool did."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2), encoding="utf-8")


# ── Results of a migration ────────────────────────────────────────────────────────────────────────


def report(rows: list[Record]) -> dict[str, Record]:
    """Return the rows that `migrate-s3 --json` printed, by file; the counts of each have to add up."""
    for row in rows:
        assert row["read"] == row["written"] + row["already_there"] + row["skipped"], row
        assert sum(reason["count"] for reason in row["reasons"]) >= row["skipped"], row
        assert all(reason["reason"] and reason["example"] for reason in row["reasons"]), row
    found = {row["file"]: row for row in rows}
    assert len(found) == len(rows), rows
    return found


def tables(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables of a database, without SQLite's own counters."""
    if not store.exists():
        return {}
    conn = sqlite3.connect(store)
    try:
        names = conn.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND sql NOT LIKE 'CREATE VIRTUAL%'"
        ).fetchall()
        return {name: conn.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}
    finally:
        conn.close()


_ESSENCE = {
    "contacts": "phone, name, aliases, tags, is_favorite, notes",
    "contact_phones": "phone",
    "chats": "id, name, is_group, last_message_time",
    "messages": "chat_jid, message_id, sender, content, timestamp, is_from_me, message_type, source",
    "scheduled_messages": "id, to_jid, message, scheduled_at, status, sent_at, created_from, error_message",
    "jobs": "id, title, status, scheduled_start_at, recipients, message_parts, config",
}


def essence(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows that a migration stores, sorted, without the columns that differ between two runs."""
    conn = sqlite3.connect(store)
    try:
        return {
            table: sorted(conn.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)
            for table, columns in _ESSENCE.items()
        }
    finally:
        conn.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python tests/support/legacy_data.py", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--chats", type=int, default=CHATS, metavar="N")
    parser.add_argument("--messages", type=int, default=MESSAGES, metavar="N")
    parser.add_argument("--bytes", type=int, metavar="N", help="write one chats.json of that size")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.bytes:
        write_chats_of_size(options.folder / "chats.json", options.bytes)
    else:
        write_all(options.folder, options.chats, options.messages)


if __name__ == "__main__":
    main()
