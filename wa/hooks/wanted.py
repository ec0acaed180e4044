"""Which events a hook hears of."""

from __future__ import annotations

import json

from wa.hooks import alert
from wa.jids import is_apart, is_group
from wa.record.names import canonical
from wa.store.database import Row, Store


def is_wanted(store: Store, hook: Row, line: Row) -> bool:
    """Return whether a hook hears of a line of the log; its type is one that the hook names."""
    if hook["is_alert"]:
        return alert.is_worth_it(hook, line, json.loads(line["data"]))
    if line["by_wa"]:  # a program that answers each reaction by one would never come to rest
        return False
    chat = line["chat_jid"]
    if chat is None:
        return not hook["chats"] and not hook["senders"]
    if hook["chats"]:
        if canonical(store, chat) not in {canonical(store, each) for each in hook["chats"]}:
            return False
    elif is_apart(chat) or is_group(chat) and hook["groups"] == "no":
        return False
    if hook["groups"] == "only" and not is_group(chat):
        return False
    data = json.loads(line["data"])
    if hook["senders"]:
        sender = data.get("sender") or data.get("recipient")
        senders = {canonical(store, each) for each in hook["senders"]}
        if sender is None or canonical(store, sender) not in senders:
            return False
    if line["type"] == "queue" or not data.get("is_from_me"):
        return True
    return bool(hook["own"]) and not _is_sent_by_wa(store, line["message_id"])


def _is_sent_by_wa(store: Store, message_id: str) -> bool:
    """Return whether a message of ours was sent from the queue, and not on the phone."""
    sql = "SELECT 1 FROM scheduled_messages WHERE message_id = ? LIMIT 1"
    return store.value(sql, [message_id]) is not None
