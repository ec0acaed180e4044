"""The chats and the members of groups: `chats` and `group_members`.

Functions that write join the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from wa.jids import STATUS, is_apart, is_group
from wa.record.messages import SHOWN, SILENT
from wa.record.names import OWN_NAME, canonical, name_of, set_name, with_numbers
from wa.store.database import Row, Store
from wa.store.fold import fold_name
from wa.store.rewrites import join_chats
from wa.times import to_iso

if TYPE_CHECKING:
    from wa.whatsapp.events import ChatSet, MessageReceived

_IS_CHAT = f"WHERE id NOT LIKE '%@newsletter' AND id != '{STATUS}'"

_SPOKE = "coalesce(last_message_time, -1)"
_BEHIND = f"({_SPOKE} < :at OR ({_SPOKE} = :at AND id > :id))"

# ── Reading ─────────────────────────────────────────────────────────────────────────────────────────


def listing(
    store: Store,
    limit: int,
    *,
    unread_only: bool = False,
    channels: bool = False,
    archived: bool = False,
    pinned: bool = False,
    muted_at: int | None = None,
    after: tuple[int, str] | None = None,
) -> list[Row]:
    """Return the chats with the newest messages, the newest first, each with its last message.

    Status posts and channels are no chats; with `channels`, return the channels alone. `archived`, `pinned`
    and `muted_at`, a time in Unix seconds, leave only chats that are so on the phone. `after` is the
    last_message_time, -1 for none, and the id of the chat behind which the list begins.
    """
    apart = ["is_archived"] * archived + ["is_pinned"] * pinned
    apart += [] if muted_at is None else ["muted_until IS NOT NULL", "muted_until > :muted_at"]
    source = "chats INDEXED BY chats_set_apart" if apart else "chats"
    where = "WHERE id LIKE '%@newsletter'" if channels else _IS_CHAT
    where += "".join(f" AND {each}" for each in apart)
    where += " AND unread_count > 0" if unread_only else ""
    where += f" AND {_BEHIND}" if after else ""
    found = store.rows(
        f"SELECT h.id, {name_of('h.id')} AS name, h.is_group, h.unread_count, h.last_message_time,"
        " m.content AS last_message, m.is_from_me AS last_is_from_me, m.message_type AS last_message_type,"
        " m.deleted_at AS last_deleted_at, m.unavailable AS last_unavailable,"
        " m.details AS last_details,"
        " h.is_archived, h.is_pinned, h.muted_until, h.created_at, h.updated_at"
        f" FROM (SELECT * FROM {source} {where} ORDER BY last_message_time DESC, id LIMIT :limit) h"
        " LEFT JOIN messages m ON m.id = (SELECT id FROM messages WHERE chat_jid = h.id"
        f" AND {SHOWN} ORDER BY timestamp DESC, id DESC LIMIT 1)"
        " ORDER BY h.last_message_time DESC, h.id",
        {"limit": limit, "muted_at": muted_at, "at": after and after[0], "id": after and after[1]},
    )
    for chat in found:
        details = chat["last_details"] = json.loads(chat["last_details"] or "{}")
        people = details.get("mentions", [])
        chat["last_mentions"] = [canonical(store, jid) for jid in people]
        if people:
            chat["last_message"] = with_numbers(store, chat["last_message"] or "", people)
    return found


def groups(store: Store) -> list[Row]:
    """Return the group chats by name, each with its members."""
    return _groups(store, "ORDER BY name COLLATE NOCASE, id", [])


def group(store: Store, jid: str) -> Row | None:
    """Return a group chat with its members."""
    return next(iter(_groups(store, "AND id = ?", [jid])), None)


def _groups(store: Store, which: str, params: list[str]) -> list[Row]:
    found = store.rows(
        "SELECT id, name, is_group, unread_count, last_message_time, left_at, created_at, updated_at"
        f" FROM chats WHERE is_group {which}",
        params,
    )
    for each in found:
        each["members"] = store.rows(
            f"SELECT member_jid, role, {name_of('g.member_jid')} AS name FROM group_members g"
            " WHERE chat_jid = ? ORDER BY member_jid",
            [each["id"]],
        )
    return found


def named_groups(store: Store, text: str, limit: int) -> list[Row]:
    """Return jid and name of the groups that have a text in their name, at most `limit`, by name."""
    return store.rows(
        "SELECT id AS jid, name FROM chats WHERE is_group AND instr(fold(name), :text)"
        " ORDER BY name COLLATE NOCASE, id LIMIT :limit",
        {"text": fold_name(text), "limit": limit},
    )


def members(store: Store, group: str) -> set[str]:
    """Return the JIDs of the members of a group, none if they are not known."""
    sql = "SELECT member_jid FROM group_members WHERE chat_jid = ?"
    return {row["member_jid"] for row in store.rows(sql, [group])}


def has_left(store: Store, group: str) -> bool:
    """Return whether we are in a group no more, as far as is known here: we left, or were removed."""
    return bool(store.value("SELECT left_at FROM chats WHERE id = ?", [group]))


def is_admin(store: Store, group: str, member: str) -> bool:
    """Return whether a member of a group has more rights than the others."""
    sql = "SELECT 1 FROM group_members WHERE chat_jid = ? AND member_jid = ? AND role != 'member'"
    return store.value(sql, [group, member]) is not None


# ── Chats ───────────────────────────────────────────────────────────────────────────────────────────


def ensure(store: Store, jid: str, now: datetime) -> None:
    """Add a chat unless it is there."""
    at = to_iso(now)
    name = store.value(f"SELECT {OWN_NAME} FROM push_names WHERE jid = ?", [jid])
    row = {"id": jid, "name": name, "is_group": is_group(jid), "created_at": at, "updated_at": at}
    store.insert("chats", row, ignore=True)


def count_new(store: Store, before: int, now: datetime) -> None:
    """Bring the chats up to date with the messages whose id is higher than `before`."""
    at = to_iso(now)
    found = store.execute(
        f"SELECT chat_jid, sum(status = 'received'), max(CASE WHEN {SHOWN} THEN timestamp END)"
        # Without NOT INDEXED, SQLite would read all messages by an index, in the order of chats.
        " FROM messages NOT INDEXED WHERE id > ? GROUP BY chat_jid",
        [before],
    ).fetchall()
    # One statement for all, an INSERT … SELECT, would make FTS5 write out the texts that it has gathered.
    store.conn.executemany(
        "INSERT INTO chats (id, name, is_group, unread_count, last_message_time, created_at, updated_at)"
        f" VALUES (?1, (SELECT {OWN_NAME} FROM push_names WHERE jid = ?1), ?2, ?3, ?4, ?5, ?5)"
        " ON CONFLICT (id) DO UPDATE SET unread_count = unread_count + excluded.unread_count,"
        " last_message_time = max(coalesce(last_message_time, excluded.last_message_time),"
        " coalesce(excluded.last_message_time, last_message_time)), updated_at = excluded.updated_at",
        [(chat, is_group(chat), unread, newest, at) for chat, unread, newest in found],
    )


def is_unread(event: MessageReceived) -> bool:
    """Return whether a message of others counts as unread when it arrives.

    A missed call does, as on the phone; a notice, a status post and a channel's post do not.
    """
    call = (event.details or {}).get("call", {})
    is_silent = event.message_type in SILENT and call.get("outcome") != "missed"
    return not (event.is_from_me or is_silent or is_apart(event.chat_jid))


def count_unread(store: Store, chat: str) -> None:
    """Bring a chat's count of unread messages up to date."""
    store.execute(
        "UPDATE chats SET unread_count = (SELECT count(*) FROM messages WHERE chat_jid = :chat"
        " AND status = 'received') WHERE id = :chat",
        {"chat": chat},
    )


def note_read(store: Store, chat: str, timestamp: int) -> None:
    """Store that a chat was read elsewhere up to a time in Unix seconds, unless it was read further."""
    store.execute(
        "UPDATE chats SET read_to = ?1 WHERE id = ?2 AND coalesce(read_to, 0) < ?1", [timestamp, chat]
    )


def read_to(store: Store, chat: str) -> int:
    """Return the time in Unix seconds up to which a chat was read elsewhere; 0 if it never was."""
    return int(store.value("SELECT read_to FROM chats WHERE id = ?", [chat]) or 0)


def move_up(store: Store, chat: str, timestamp: int) -> None:
    """Raise the time of a chat's last message to `timestamp` (Unix seconds), unless it is later already."""
    store.execute(
        "UPDATE chats SET last_message_time = max(last_message_time, ?) WHERE id = ?", [timestamp, chat]
    )


def bring_up(store: Store, chat: str, now: datetime) -> None:
    """Bring a chat up to date with its messages: the time of the last one, and the count of unread ones."""
    ensure(store, chat, now)
    store.execute(
        "UPDATE chats SET last_message_time = (SELECT timestamp FROM messages WHERE chat_jid = :chat"
        f" AND {SHOWN} ORDER BY timestamp DESC LIMIT 1), updated_at = :at WHERE id = :chat",
        {"chat": chat, "at": to_iso(now)},
    )
    count_unread(store, chat)


def ephemeral(store: Store, chat: str) -> tuple[int, int | None]:
    """Return after how many seconds a chat's messages disappear, 0 for never, and when that was set."""
    row = store.row("SELECT ephemeral, ephemeral_at FROM chats WHERE id = ?", [chat])
    return (row["ephemeral"] or 0, row["ephemeral_at"]) if row else (0, None)


def set_ephemeral(store: Store, chat: str, seconds: int, at: int) -> None:
    """Store after how many seconds a chat's messages disappear, set `at` (Unix seconds), if that is newer."""
    store.execute(
        "UPDATE chats SET ephemeral = ?1, ephemeral_at = ?2"
        " WHERE id = ?3 AND coalesce(ephemeral_at, 0) <= ?2",
        [seconds, at, chat],
    )


def set_apart(store: Store, told: ChatSet, now: datetime, *, is_past: bool) -> None:
    """Store how the phone lists a chat; what is told of the past counts only if nothing was told since."""
    chat = canonical(store, told.chat_jid)
    given = {"is_archived": told.is_archived, "is_pinned": told.is_pinned, "muted_until": told.muted_until}
    values = {name: value or None if name == "muted_until" else value for name, value in given.items()
              if value is not None}  # fmt: skip
    if any(values.values()):
        ensure(store, chat, now)
    found = store.row("SELECT is_archived, is_pinned, muted_until FROM chats WHERE id = ?", [chat]) or {}
    if {**found, **values} != found and found and not (is_past and any(found.values())):
        store.update("chats", chat, {**values, "updated_at": to_iso(now)})


def add_name(store: Store, chat: str, name: str) -> None:
    """Name a chat, unless it has a name."""
    store.execute("UPDATE chats SET name = ? WHERE id = ? AND coalesce(name, '') = ''", [name, chat])


def name_person(store: Store, jid: str, name: str, *, is_saved: bool = False) -> None:
    """Store the name that a person chose, or with `is_saved` our phone's; name their chat so too."""
    jid = canonical(store, jid)
    set_name(store, jid, name, is_saved=is_saved)
    store.execute(
        "UPDATE chats SET name = (SELECT coalesce(saved_name, name) FROM push_names WHERE jid = :jid)"
        " WHERE id = :jid AND NOT is_group",
        {"jid": jid},
    )


@join_chats.part
def _join_chat(store: Store, lid: str, pn: str) -> None:
    store.execute(
        "UPDATE chats SET name = coalesce(name, (SELECT name FROM chats WHERE id = :lid)),"
        " last_message_time = (SELECT max(last_message_time) FROM chats WHERE id IN (:lid, :pn)),"
        " (read_to, is_archived, is_pinned, muted_until) = (SELECT max(read_to), max(is_archived),"
        " max(is_pinned), max(muted_until) FROM chats WHERE id IN (:lid, :pn)),"
        " (ephemeral, ephemeral_at) = (SELECT ephemeral, ephemeral_at FROM chats WHERE id IN (:lid, :pn)"
        " ORDER BY ephemeral_at DESC LIMIT 1)"
        " WHERE id = :pn",
        {"lid": lid, "pn": pn},
    )
    count_unread(store, pn)
    store.execute("DELETE FROM chats WHERE id = ?", [lid])


# ── Groups ──────────────────────────────────────────────────────────────────────────────────────────


def name_group(store: Store, group: str, name: str, now: datetime) -> None:
    """Store a group's new name."""
    store.execute("UPDATE chats SET name = ?, updated_at = ? WHERE id = ?", [name, to_iso(now), group])


def note_left(store: Store, group: str, at: datetime, *, is_in: bool) -> None:
    """Store whether we are in a group; if not, since when that is known."""
    store.execute(
        "UPDATE chats SET left_at = CASE WHEN :is_in THEN NULL ELSE coalesce(left_at, :at) END"
        " WHERE id = :group",
        {"group": group, "is_in": is_in, "at": to_iso(at)},
    )


def note_joined(store: Store, groups: Iterable[str], asked_at: datetime) -> None:
    """Note that we are in these groups and have left all others, as WhatsApp said when it was asked.

    Groups that have changed since then are left as they are. The list counts more than the members of a
    group: of a large one, WhatsApp may tell us only a part.
    """
    is_listed = "id IN (SELECT value FROM json_each(:groups))"
    store.execute(
        f"UPDATE chats SET left_at = CASE WHEN {is_listed} THEN NULL ELSE coalesce(left_at, :at) END"
        " WHERE is_group AND CASE WHEN left_at IS NULL THEN updated_at < :at ELSE left_at <= :at END",
        {"groups": json.dumps(list(groups)), "at": to_iso(asked_at)},
    )
