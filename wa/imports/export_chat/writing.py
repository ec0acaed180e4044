"""Writing a chat in the form of WhatsApp's own "Export chat" on an iPhone, so that `reader` reads it back.

    [2023-12-31, 23:59:58] Nadia: Happy new year!

The date begins with the year, as in Sweden, for no reader can take that for another day. What somebody
typed may look like a header or like a phrase of WhatsApp's: the invisible character `TYPED` before it (and
behind it) tells the reader that it is neither.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from itertools import chain
from pathlib import Path

from wa.errors import WaError
from wa.imports.export_chat.content import TYPED, content_of
from wa.imports.export_chat.header import LONGEST_NAME, is_quoting
from wa.imports.export_chat.lookalikes import may_be_alike
from wa.jids import phone_of_jid, show_jid
from wa.media.names import free_among, safe_name
from wa.record.export.files import name_of, source_of
from wa.record.export.job import Job
from wa.record.export.write import report
from wa.record.messages import FILES
from wa.store.database import Row
from wa.store.device import last_account
from wa.store.files import check_free, explained, part_file, put
from wa.store.fold import fold_name
from wa.texts import clean, one_line, unmarked

_MARK = "\u200e"
"""The mark that an iPhone puts before text that nobody typed."""
_DELETED = "This message was deleted."
_EDITED = "<This message was edited>"
_OMITTED = {
    "voice": "voice message omitted", "contact": "contact card omitted", "other": "Media omitted",
    "location": "location shared",
}  # fmt: skip
"""The phrases for messages that are no text, where they are not `image omitted` with their own kind."""
_PREFIXES = {"voice": "PTT", "sticker": "STICKER", "document": "DOC"}
"""Words in the name of a file by which its kind is known, where its ending does not tell."""
_Name = Callable[[Row], str | None]
"""Returns the name of a message's file in the ZIP, None without one."""


class Names:
    """The names of the senders of one chat: different ones for different people."""

    def __init__(self, job: Job) -> None:
        account = last_account(job.store) or {}
        self._own: str | None = account.get("push_name")
        self._taken: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def of(self, row: Row) -> str:
        """Return the name of a message's sender as it stands before the colon."""
        jid = row["sender"]
        if jid not in self._names:
            self._names[jid] = self._free(jid, self._wanted(row))
        return self._names[jid]

    def _wanted(self, row: Row) -> str:
        if not row["is_from_me"]:
            return show_jid(row["sender"], row["sender_name"])
        number = show_jid(row["sender"]) if phone_of_jid(row["sender"]) else "You"
        return self._own or row["sender_name"] or number

    def _free(self, jid: str, name: str) -> str:
        """Return a name that nobody else in the chat has, in a form that can be read back."""
        wanted = _readable(name) or show_jid(jid)
        for number in range(1, len(self._taken) + 3):
            if self._taken.setdefault(fold_name(wanted), jid) == jid:
                break
            wanted = show_jid(jid) if number == 1 and phone_of_jid(jid) else f"{_readable(name)} {number}"
        return wanted


def _readable(name: str) -> str:
    """Return a name without what would end it early: marks, and quotation marks that stand alone."""
    name = " ".join(unmarked(one_line(name)).split())[: LONGEST_NAME - 10]
    while is_quoting(name):
        name = name.translate(dict.fromkeys(map(ord, '"“„«「『')))
    return name.strip()


def text(job: Job, file_name: _Name = lambda row: None) -> Iterator[str]:
    """Yield the messages of a chat as text, in pieces."""
    for _, rows in job.each_chat():
        yield from _of_chat(job, rows, file_name)


def _of_chat(job: Job, rows: Iterator[Row], file_name: _Name) -> Iterator[str]:
    names = Names(job)
    for row in rows:
        is_notice = row["message_type"] == "system"
        name = _readable(show_jid(row["chat_jid"], row["chat_name"])) if is_notice else names.of(row)
        head = f"[{job.time(row):%Y-%m-%d, %H:%M:%S}] {name.replace(': ', f':{_MARK} ')}: "
        body = _MARK + clean(row["content"] or "") if is_notice else _body(row, file_name(row))
        yield head + "\n".join(_unlike_header(body.split("\n"))) + "\n"


def _unlike_header(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a message; put a mark before further ones that the reader would take otherwise."""
    yield lines[0]
    for line in lines[1:]:
        yield TYPED + line if line.startswith(TYPED) or may_be_alike(line) else line


def _body(row: Row, file: str | None) -> str:
    if row["deleted_at"]:
        return _MARK + _DELETED
    said = clean(row["content"] or "")
    kind, ending = row["message_type"], f" {_MARK}{_EDITED}" * bool(row["edited_at"])
    if kind == "poll" and row.get("poll") and len(row["poll"]["options"]) > 1:
        return _poll(row["poll"]) + ending
    if file is not None:
        return _with_typed(f"{_MARK}<attached: {file}>", said, ending)
    if kind in (*FILES, *_OMITTED):
        return _with_typed(f"{_MARK}{_OMITTED.get(kind, f'{kind} omitted')}", said, ending)
    return _with_typed("", said, ending)


def _with_typed(phrase: str, said: str, ending: str) -> str:
    """Return a phrase of WhatsApp's and what somebody typed, if there are, so that both are read back."""
    if not said:
        return phrase + ending
    before = f"{phrase}\n" * bool(phrase)
    found = content_of(before + said + ending, is_iphone=True)
    is_plain = (found.text, found.is_edited, found.kind != "text") == (said, bool(ending), bool(phrase))
    return before + (said if is_plain else f"{TYPED}{said}{TYPED}") + ending


def _poll(poll: Row) -> str:
    options = [
        f"{_MARK}OPTION: {one_line(each['name'])} ({_votes(each['votes'])})" for each in poll["options"]
    ]
    return "\n".join(["POLL:", one_line(poll["question"]), *options])


def _votes(count: int) -> str:
    return f"{_MARK}{count} vote{'s' * (count != 1)}"


# ── With files, or of several chats: a ZIP ──────────────────────────────────────────────────────────


def to_zip(job: Job, out: Path, *, with_media: bool, replacing: bool) -> Row:
    """Write a ZIP with a text for each chat and, if it is one chat, its files; return the report.

    Raise WaError `usage` if the file exists or cannot have that name, `storage-error`.
    """
    if out.suffix.lower() != ".zip":
        raise WaError(
            "usage", f"{out} is not the name of a ZIP", "text and files, or several texts, are one: NAME.zip"
        )
    if with_media and not job.chat:
        raise WaError(
            "usage", "a ZIP in this form has the files of one chat", "name a chat, or use another format"
        )
    if not replacing:
        check_free(out)
    out = out.resolve()
    counts = {"copied": 0, "missing": 0}
    with explained(out), part_file(out.parent) as part:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            _texts(job, archive, with_media=with_media)
            if with_media:
                counts = _files(job, archive)
        put(part, out)
    found = report(job, out)
    return found | {"media": {"folder": None, **counts}} if with_media else found


def _texts(job: Job, archive: zipfile.ZipFile, *, with_media: bool) -> None:
    taken: set[str] = set()
    for chat, rows in job.each_chat():
        first = next(rows)
        title = show_jid(chat, first["chat_name"])
        name = free_among(taken, safe_name(f"WhatsApp Chat with {one_line(title)}", "chat", "") + ".txt")
        with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
            written = TextIOWrapper(entry, "utf-8", newline="")
            file_name: _Name = (lambda row: _in_zip(job, row)) if with_media else (lambda row: None)
            written.writelines(_of_chat(job, chain([first], rows), file_name))
            written.close()


def _in_zip(job: Job, row: Row) -> str | None:
    """Return the name of a message's file in the ZIP, made of nothing that other people chose."""
    if source_of(job.store.home, row) is None:
        return None
    prefix = _PREFIXES.get(row["message_type"])
    return f"{prefix}-{name_of(row)}" if prefix else name_of(row)


def _files(job: Job, archive: zipfile.ZipFile) -> dict[str, int]:
    """Add the files of the chat's messages, in a second reading; return the numbers of them."""
    copied = missing = 0
    again = Job(job.store, job.zone, job.say, job.chat, job.after, job.before)
    for _, rows in again.each_chat():
        for row in rows:
            name = _in_zip(job, row)
            path = source_of(job.store.home, row)
            if name and path:
                archive.write(path, name, zipfile.ZIP_STORED)
                copied += 1
            else:
                missing += row["message_type"] in FILES and not row["deleted_at"]
    return {"copied": copied, "missing": missing}
