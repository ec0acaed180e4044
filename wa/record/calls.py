"""Calls: the steps that the server tells become one line of the chat, when the call has ended.

The table `calls` has the calls of the last days. A phone may send a line about a call too, which is a
message: whichever of the two comes first is kept.
"""

from __future__ import annotations

from datetime import datetime

from wa.jids import is_group
from wa.record import write
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.store.rewrites import join_chats
from wa.whatsapp import notices
from wa.whatsapp.events import CallTold, MessageReceived
from wa.whatsapp.ids import notice_id

LONGEST_RINGING = 300
"""Seconds after which a call whose end was not told has ended: somebody rings for about one minute."""
SAME = 120
"""The most seconds between a call's begin or end and the time of a phone's line about it."""
KEPT = 7 * 86_400
_ELSEWHERE = {"accepted_elsewhere": "elsewhere", "rejected_elsewhere": "declined", "declined": "declined"}


def note(store: Store, told: CallTold, now: datetime) -> None:
    """Store a step of a call; at its end, add the line to the chat. Functions join the transaction."""
    chat, caller, at = canonical(store, told.chat_jid), canonical(store, told.caller), told.timestamp
    store.execute("DELETE FROM calls WHERE begun_at < ?", [int(now.timestamp()) - KEPT])
    store.execute(
        "INSERT INTO calls (call_id, chat_jid, caller, is_video, begun_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (call_id) DO UPDATE SET is_video = max(is_video, excluded.is_video)",
        [told.call_id, chat, caller, told.is_video, at],
    )
    if told.step == "accept":
        store.execute("UPDATE calls SET outcome = 'elsewhere' WHERE call_id = ?", [told.call_id])
    call = store.row("SELECT * FROM calls WHERE call_id = ? AND ended_at IS NULL", [told.call_id])
    if told.step == "end" and call:
        _end(store, call, _ELSEWHERE.get(told.reason, call["outcome"] or "missed"), at, now)


def end_old(store: Store, now: datetime) -> None:
    """End the calls whose end was not told, because the line was down then."""
    latest = int(now.timestamp()) - LONGEST_RINGING
    for call in store.rows("SELECT * FROM calls WHERE ended_at IS NULL AND begun_at < ?", [latest]):
        _end(store, call, call["outcome"] or "missed", call["begun_at"], now)


def is_known(store: Store, event: MessageReceived) -> bool:
    """Return whether a message is a line about a call whose line is stored already; else remember it."""
    about = (event.details or {}).get("call")
    if about is None:
        return False
    chat, at = canonical(store, event.chat_jid), event.timestamp
    if store.value("SELECT 1 FROM calls WHERE call_id = ? AND is_line", [event.message_id]):
        return False
    other = _same(store, chat, bool(about["video"]), at, at, is_line=False)
    store.execute(
        "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO NOTHING",
        [
            event.message_id, chat, canonical(store, event.sender), bool(about["video"]), at, at,
            about["outcome"], other and other["call_id"],
        ],
    )  # fmt: skip
    if other is None:
        return False
    is_stored = other["ended_at"] is not None
    store.execute(
        "UPDATE calls SET twin = ?, outcome = ?, ended_at = coalesce(ended_at, ?) WHERE call_id = ?",
        [event.message_id, about["outcome"], at, other["call_id"]],
    )
    return is_stored


def _end(store: Store, call: Row, outcome: str, at: int, now: datetime) -> None:
    line = _same(store, call["chat_jid"], bool(call["is_video"]), call["begun_at"], at, is_line=True)
    store.execute(
        "UPDATE calls SET outcome = ?, ended_at = ?, twin = ? WHERE call_id = ?",
        [outcome, at, line and line["call_id"], call["call_id"]],
    )
    if line:
        store.execute("UPDATE calls SET twin = ? WHERE call_id = ?", [call["call_id"], line["call_id"]])
        return
    about = {"outcome": outcome, "video": bool(call["is_video"])}
    if is_group(call["chat_jid"]):
        about["group"] = True
    number, text = notice_id(call["call_id"]), notices.call(about)
    message = MessageReceived(
        call["chat_jid"], number, call["caller"], call["begun_at"], text, "system", details={"call": about}
    )
    write.record(store, message, "live", now)


def _same(store: Store, chat: str, is_video: bool, begun: int, ended: int, *, is_line: bool) -> Row | None:
    """Return the call that was told in the other way, at the same time; each is taken once."""
    return store.row(
        "SELECT * FROM calls WHERE chat_jid = :chat AND is_line = :is_line AND twin IS NULL"
        " AND is_video = :is_video AND begun_at BETWEEN :begun - :long AND :ended + :same"
        " AND coalesce(ended_at, begun_at) >= :begun - :same ORDER BY begun_at LIMIT 1",
        {
            "chat": chat, "is_line": is_line, "is_video": is_video, "begun": begun, "ended": ended,
            "same": SAME, "long": 86_400,
        },
    )  # fmt: skip


@join_chats.part
def _join_calls(store: Store, lid: str, pn: str) -> None:
    store.execute("UPDATE calls SET chat_jid = ?1 WHERE chat_jid = ?2", [pn, lid])
    store.execute("UPDATE calls SET caller = ?1 WHERE chat_jid = ?1 AND caller = ?2", [pn, lid])
