"""Chats: the list, a conversation, search in messages, and answering."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

from wa.connection.context import Context
from wa.connection.programs import asked
from wa.errors import WaError
from wa.jids import is_group, is_person_or_group, show_jid
from wa.people.said import said, said_last
from wa.queue import rows
from wa.record import chats, messages, reads, responses
from wa.record.messages import Place, moment
from wa.record.names import canonical, stored_name
from wa.record.search import Filter, snippet
from wa.record.search import search as search_messages
from wa.store.database import Row
from wa.web.answers import Answer, status_of
from wa.web.api import messages as sending
from wa.web.page import frame, render
from wa.web.page.forms import Form, new_key
from wa.web.page.render import View
from wa.web.page.rows import shown as row_shown

_CHATS = 30
_MESSAGES = 50
_HITS = 50
_TICKS = {"sent": "✓ Sent", "delivered": "✓✓ Delivered", "read": "✓✓ Read", "played": "✓✓ Played"}
_PICTURES = ("image", "sticker")
_SOUND = ("audio", "voice")


def screen(context: Context, view: View, query: Form) -> Answer:
    """Return the chats, or the messages that have some words."""
    values: dict[str, Any] = {
        "title": "Chats",
        "tab": "chats",
        "q": query["q"],
        "hits": None,
        "chats": [],
        "more": None,
    }
    if query["q"].strip():
        values["hits"] = _hits(context, query["q"], Filter())
    else:
        values["chats"], values["more"] = _chats(context, _place(query["after"]))
    return frame.page(context, view, "chats.html", **values)


def _time(context: Context, at: datetime) -> str:
    return f"{at.astimezone(context.settings.zone):%Y-%m-%d %H:%M}"


def _chats(context: Context, after: tuple[int, str] | None) -> tuple[list[dict[str, Any]], str | None]:
    store, zone, now = context.store, context.settings.zone, context.now()
    found = chats.listing(store, _CHATS + 1, after=after)
    shown = []
    for row in found[:_CHATS]:
        at = row["last_message_time"]
        last = said_last(store, row, lambda moment: _time(context, moment))
        shown.append(
            {
                "id": row["id"],
                "name": show_jid(row["id"], row["name"]),
                "unread": row["unread_count"],
                "when": render.when(moment(at), zone, now) if at is not None else "",
                "say": f"You: {last}" if row["last_is_from_me"] else last,
            }
        )
    last_shown = found[_CHATS - 1] if len(found) > _CHATS else None
    return shown, f"{last_shown['last_message_time'] or 0}~{last_shown['id']}" if last_shown else None


def _place(text: str) -> tuple[int, str] | None:
    """Return the place in a cursor. Raise WaError `usage` for any other text."""
    if not text:
        return None
    at, mark, rest = text.partition("~")
    if not (mark and at.isascii() and at.isdigit() and len(at) < 16):
        raise WaError("usage", "this address has been changed", "begin with the first page")
    return int(at), rest


def _message_place(text: str) -> Place | None:
    place = _place(text)
    if place is None:
        return None
    if not (place[1].isascii() and place[1].isdigit() and len(place[1]) < 19):
        raise WaError("usage", "this address has been changed", "begin with the newest messages")
    return place[0], int(place[1])


def _hits(context: Context, words: str, narrowed: Filter) -> list[dict[str, Any]]:
    zone, now = context.settings.zone, context.now()
    return [
        {
            "chat": row["chat_jid"],
            "id": row["id"],
            "before": f"{row['timestamp']}~{row['id'] + 1}",
            "name": show_jid(row["chat_jid"], row["chat_name"]),
            "who": "You" if row["is_from_me"] else show_jid(row["sender"], row["sender_name"]),
            "when": render.when(moment(row["timestamp"]), zone, now),
            "say": row["snippet"],
        }
        for row in search_messages(context.store, words, narrowed, _HITS)
    ]


# ── One chat ────────────────────────────────────────────────────────────────────────────────────────


def conversation(
    context: Context, view: View, chat: str, query: Form, error: str | None = None, status: int = 200
) -> Answer:
    """Return the messages of a chat, oldest first, with the form to answer."""
    store = context.store
    jid, before = jid_of(context, chat), _message_place(query["before"])
    found = messages.conversation(store, jid, _MESSAGES + 1, up_to=before or messages.END)
    shown = talk(context, responses.counted(store, found[-_MESSAGES:]))
    quoted = messages.about(store, jid, query["reply_to"]) if query["reply_to"] else None
    first, last = (found[-_MESSAGES:][0], found[-1]) if found else (None, None)
    name = stored_name(store, jid)
    values = {
        "title": show_jid(jid, name),
        "tab": "chats",
        "jid": jid,
        "name": show_jid(jid, name),
        "address": render.address(jid, name),
        "is_group": is_group(jid),
        "can_answer": is_person_or_group(jid),
        "talk": shown,
        "earlier": f"{first['timestamp']}~{first['id']}" if first and len(found) > _MESSAGES else None,
        "is_old": before is not None,
        "last": _cursor(last),
        "is_unread": any(row["status"] == "received" and not row["is_from_me"] for row in found),
        "hits": _hits(context, query["q"], Filter(chat=jid)) if query["q"].strip() else None,
        "q": query["q"],
        "form": query,
        "key": query["key"] or new_key(),
        "quote": _quote(context, quoted),
        "error": error,
        "waiting": _waiting(context, query["row"], jid),
        "chats": _chats(context, None)[0],
    }
    return frame.page(context, view, "chat.html", status, **values)


def jid_of(context: Context, text: str) -> str:
    """Return the chat that a path names, also one in which nothing was said yet."""
    try:
        found = asked.chat(context, text)
    except WaError as error:
        if error.code != "not-found":
            raise
        found = asked.recipient(context, text)
    return canonical(context.store, found.jid)


def _cursor(row: Row | None) -> str:
    return f"{row['timestamp']}~{row['id']}" if row else "0~0"


def newer(context: Context, chat: str, query: Form) -> Answer:
    """Return the messages behind a place, to be put under those that are shown."""
    store = context.store
    jid, after = (
        jid_of(context, chat),
        _message_place(query["after"]) or (0, 0),
    )
    found = messages.conversation(store, jid, _MESSAGES)
    new = [row for row in found if (row["timestamp"], row["id"]) > after]
    shown = talk(context, responses.counted(store, new))
    return render.part("newer.html", talk=shown, jid=jid, last=_cursor(found[-1] if found else None))


def one(context: Context, chat: str, query: Form) -> Answer:
    """Return a message as it is now, for the place where it stands."""
    store = context.store
    jid = jid_of(context, chat)
    found = messages.about(store, jid, query["id"])
    if found is None:
        raise WaError("not-found", "this message is gone", "load the page again")
    (shown,) = talk(context, responses.counted(store, messages.with_reactions(store, [found])))
    return render.part("talk.html", talk=[{**shown, "day": None}], jid=jid)


def talk(context: Context, found: list[Row]) -> list[dict[str, Any]]:
    """Return messages as they are shown; the first of each day has the day."""
    zone, now = context.settings.zone, context.now()
    days = [render.day(moment(row["timestamp"]), zone, now) for row in found]
    is_new = [one != other for one, other in pairwise(["", *days])]
    return [
        {**_message(context, row), "day": day if new else None}
        for row, day, new in zip(found, days, is_new, strict=True)
    ]


def _message(context: Context, row: Row) -> dict[str, Any]:
    kind, details = row["message_type"], row["details"] or {}
    is_there = bool(row["media_path"]) and not row["deleted_at"]
    is_bare = is_there and kind in _PICTURES and not row["content"]
    at = moment(row["timestamp"])
    about = messages.about(context.store, row["chat_jid"], row["quoted_id"]) if row["quoted_id"] else None
    return {
        "id": row["id"],
        "message_id": row["message_id"],
        "is_own": bool(row["is_from_me"]),
        "is_of_many": is_group(row["chat_jid"]),
        "is_notice": kind == "system",
        "who": show_jid(row["sender"], row["sender_name"]),
        "text": "" if is_bare else said(context.store, row, lambda moment: _time(context, moment)),
        "iso": f"{at:%Y-%m-%dT%H:%MZ}",
        "clock": f"{at.astimezone(context.settings.zone):%H:%M}",
        "is_edited": bool(row["edited_at"]) and not row["deleted_at"],
        "is_to_many": row["receipts"] is not None,
        "word": _word(row) if row["is_from_me"] else None,
        "reactions": " ".join(
            emoji if times == 1 else f"{emoji} {times}"
            for emoji, times in Counter(each["emoji"] for each in row["reactions"]).items()
        ),
        "quote": _quote(context, about),
        "picture": is_there and kind in _PICTURES,
        "sound": is_there and kind in _SOUND,
        "film": is_there and kind == "video",
        "file": (details.get("file_name") or "the file") if is_there else None,
    }


def _word(row: Row) -> str:
    """Return how far one of our messages came."""
    told = row["receipts"]
    if told and told["read"] and told["read"] < told["members"]:
        return f"✓✓ Read by {told['read']} of {told['members']}"
    return _TICKS.get(row["status"] or "", "")


def _quote(context: Context, row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    text = said(context.store, row, lambda moment: _time(context, moment))
    who = "You" if row["is_from_me"] else show_jid(row["sender"], row["sender_name"])
    return {"id": row["id"], "message_id": row["message_id"], "who": who, "text": snippet(text, (), 120)}


def _waiting(context: Context, row_id: str, jid: str) -> dict[str, Any] | None:
    """Return the row of the answer that was just given, while it is no message of the chat yet."""
    if not row_id or not rows.exists(context.store, row_id):
        return None
    row = rows.get(context.store, row_id)
    if canonical(context.store, row["to_jid"]) != jid or row["status"] == "sent":
        return None
    return row_shown(context, row)


def act(context: Context, view: View, chat: str, form: Form) -> Answer:
    """Answer in a chat, once for the form's key; or count it as read."""
    jid = asked.recipient(context, chat).jid
    path = f"/chats/{render.in_path(jid)}"
    if form["do"] == "seen":
        found = messages.conversation(context.store, canonical(context.store, jid), 1)
        if found:
            reads.seen(context.store, found[-1]["chat_jid"], (found[-1]["timestamp"], found[-1]["id"]))
        return render.moved(view, path)
    try:
        body = {"to": jid, "text": str(form["text"]), "reply_to": str(form["reply_to"]) or None}
        row, _ = sending.queue(context, sending.Send.model_validate(body), form.key, "web")
    except WaError as error:
        return conversation(context, view, chat, form, render.said(error), status_of(error))
    return render.moved(view, path, row=row["id"])
