"""One person, one chat: what stands under a hidden id moves to the phone JID once that is known."""

from __future__ import annotations

from datetime import datetime

from wa.record import messages
from wa.store.database import BATCH, Row, Store


def is_split(store: Store, lid: str) -> bool:
    """Whether messages stand under this hidden id, whose phone JID is known."""
    return bool(store.value("SELECT 1 FROM chats WHERE id = ?", [lid]))


def join_split_chats(store: Store, now: datetime) -> None:
    """Move what stands under a hidden id whose phone JID is known by now into that person's chat.

    In short transactions; killed midway, the next call goes on.
    """
    split = store.rows("SELECT lid, pn FROM jid_aliases WHERE lid IN (SELECT id FROM chats)")
    for alias in split:
        while _move_some(store, alias["lid"], alias["pn"]):
            pass
        _merge_chat(store, alias["lid"], alias["pn"], now)


def _move_some(store: Store, lid: str, pn: str) -> bool:
    """Move a batch of messages; whether there may be more."""
    columns = "id, message_id, content, edited_at, deleted_at, status, is_from_me, timestamp, sender"
    with store.write(durable=False):
        batch = store.rows(f"SELECT {columns} FROM messages WHERE chat_jid = ? LIMIT ?", [lid, BATCH])
        made_up, used = messages.has_made_up(store), set[str]()
        for row in batch:
            if made_up:
                _unite_made_up(store, row, pn, used)
            twin = store.row(
                f"SELECT {columns} FROM messages WHERE chat_jid = ? AND message_id = ?",
                [pn, row["message_id"]],
            )
            if twin is not None:
                _merge_doubles(store, row, twin)
            store.execute(
                "UPDATE messages SET chat_jid = :pn, sender = CASE sender WHEN :lid THEN :pn ELSE sender END"
                " WHERE id = :id",
                {"pn": pn, "lid": lid, "id": row["id"]},
            )
            if row["is_from_me"]:
                messages.update_status(store, pn, row["message_id"])
        return len(batch) == BATCH


def _unite_made_up(store: Store, row: Row, pn: str, used: set[str]) -> None:
    """Let a message that was migrated without an id, in either chat, have the id of its like in the other."""
    if not row["message_id"].startswith(messages.MADE_UP):
        messages.name_made_up(
            store, {**row, "chat_jid": pn, "sender": pn if not row["is_from_me"] else row["sender"]}
        )
        return
    likes = store.rows(
        "SELECT message_id FROM messages WHERE chat_jid = :pn AND timestamp = :timestamp"
        " AND NOT (message_id >= 'migrated-' AND message_id < 'migrated.') AND is_from_me = :is_from_me"
        " AND coalesce(content, '') = coalesce(:content, '')",
        {**row, "pn": pn},
    )
    like = next((each["message_id"] for each in likes if each["message_id"] not in used), None)
    if like:
        used.add(like)
        row["message_id"] = like
        store.execute("UPDATE messages SET message_id = :message_id WHERE id = :id", row)


def _merge_doubles(store: Store, *doubles: Row) -> None:
    """Of a message stored twice the older row stays, with the newest text and what is known of either."""
    kept, gone = sorted(doubles, key=lambda row: (row["status"] == "early", row["id"]))
    newer = gone if (gone["edited_at"] or "") > (kept["edited_at"] or "") else kept
    deleted_at = kept["deleted_at"] or gone["deleted_at"]
    messages.replace_text(store, gone["id"], gone["content"], None)
    store.execute("DELETE FROM messages WHERE id = ?", [gone["id"]])
    messages.replace_text(store, kept["id"], kept["content"], None if deleted_at else newer["content"])
    status = "read" if "read" in (kept["status"], gone["status"]) else kept["status"]
    store.execute(
        "UPDATE messages SET edited_at = ?, deleted_at = ?, status = ? WHERE id = ?",
        [newer["edited_at"], deleted_at, status, kept["id"]],
    )


def _merge_chat(store: Store, lid: str, pn: str, now: datetime) -> None:
    with store.write(durable=False):
        messages.touch_chat(store, pn, now)
        rename_reactions(store, "chat_jid", lid, pn)
        store.execute("UPDATE receipts SET chat_jid = ? WHERE chat_jid = ?", [pn, lid])
        store.execute("UPDATE OR IGNORE push_names SET jid = ? WHERE jid = ?", [pn, lid])
        store.execute(
            "UPDATE chats SET name = coalesce(name, (SELECT name FROM chats WHERE id = :lid)),"
            " last_message_time = (SELECT max(last_message_time) FROM chats WHERE id IN (:lid, :pn))"
            " WHERE id = :pn",
            {"lid": lid, "pn": pn},
        )
        messages.count_unread(store, pn)
        store.execute("DELETE FROM chats WHERE id = ?", [lid])


def rename_reactions(store: Store, column: str, lid: str, pn: str) -> None:
    """Let reactions of or in `lid` be those of `pn`."""
    for row in store.rows(f"SELECT * FROM reactions WHERE {column} = ?", [lid]):
        renamed = {
            name: pn if row[name] == lid else row[name] for name in ("chat_jid", "message_id", "sender")
        }
        messages.react(store, renamed, row["emoji"], row["timestamp"])
    store.execute(f"DELETE FROM reactions WHERE {column} = ?", [lid])


def rename_members(store: Store, lid: str, pn: str) -> None:
    """Let `lid` be `pn` in the groups it is in."""
    store.execute("UPDATE OR IGNORE group_members SET member_jid = ? WHERE member_jid = ?", [pn, lid])
    store.execute("DELETE FROM group_members WHERE member_jid = ?", [lid])
