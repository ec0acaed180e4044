"""The check of the whole store: whether it is sound, and whether what is derived is what other data says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from wa.errors import WaError
from wa.record import chats, search_index
from wa.record.derived import indexes
from wa.record.messages import SHOWN
from wa.store import condition
from wa.store.database import Store
from wa.store.open import explain
from wa.store.paths import Home
from wa.texts import counted

_REPAIR = "`wa db check --repair`: it is only in what can be made anew from the messages"
_RESTORE = "stop what uses it, keep a copy, and `wa backup restore latest`"
_STALE_CHATS = (
    "SELECT chat_jid AS id, newest > coalesce(h.last_message_time, -1) AS is_low FROM (SELECT chat_jid,"
    f" sum(status IS 'received') AS unread, max(CASE WHEN {SHOWN} THEN timestamp END) AS newest"
    " FROM messages NOT INDEXED WHERE status IS NOT 'early' GROUP BY chat_jid)"
    " LEFT JOIN chats h ON h.id = chat_jid WHERE h.id IS NULL OR h.unread_count != unread OR is_low"
    " UNION ALL SELECT id, 0 FROM chats h WHERE unread_count != 0"
    " AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.chat_jid = h.id)"
)
"""SQL for the chats whose count of unread messages is not that of their messages, or which stand too low.

The time of a chat may be later than that of its newest message, which may be removed.
"""


def verify(store: Store) -> None:
    """Check the store from end to end. Raise WaError `corrupt` when it has a fault."""
    if problems := condition.check(store):
        raise _damaged(store, problems, can_be_repaired=_is_derived(store))
    if found := [*_of_the_index(store), *_of_chats(store)]:
        text = f"{store.home.store} does not agree with itself: {'; '.join(found)}"
        raise WaError("corrupt", text, _REPAIR)


@contextmanager
def last_word(home: Home) -> Iterator[None]:
    """Run a check, or what it needs. Raise WaError `corrupt` for damage that it does not survive itself.

    Elsewhere such an error says that the check will tell what to do.
    """
    try:
        yield
    except WaError as error:
        if error.code != "corrupt" or error.hint == _REPAIR:
            raise
        raise WaError("corrupt", error.message, _RESTORE) from error
    except UnicodeDecodeError as error:  # a damaged name of a table is no text
        message = f"{home.store} is damaged: it has a name that cannot be read"
        raise WaError("corrupt", message, _RESTORE) from error
    except sqlite3.Error as error:
        told = explain(error, home)
        raise WaError(told.code, told.message, _RESTORE if told.code == "corrupt" else told.hint) from error


def _damaged(store: Store, problems: list[str], *, can_be_repaired: bool) -> WaError:
    text = f"{store.home.store} is damaged: {'; '.join(problems[:5])}"
    return WaError("corrupt", text, _REPAIR if can_be_repaired else _RESTORE)


def _is_derived(store: Store) -> bool:
    """Return whether only what can be made anew from other data is damaged: indexes, and the search index."""
    try:
        return indexes.are_all(store)
    except sqlite3.DatabaseError:
        return False


def repair(store: Store, now: datetime) -> list[str]:
    """Make anew what is derived from other data, if it has a fault. Return the faults that there were.

    Raise WaError `in-use` while another process holds the connection, and `corrupt` when other data is
    damaged: then nothing is changed.
    """
    with condition.alone(store):
        damaged = condition.check(store)
        rows = indexes.unlike_their_indexes(store, damaged)
        if damaged and not (_is_derived(store) and indexes.renew(store)):
            raise _damaged(store, damaged, can_be_repaired=False)
        found = [*damaged, *(f"{row} may be damaged itself: look at it" for row in rows)]
        found = found or _of_the_index(store)
        if found:
            search_index.make_anew(store)
        if damaged:
            indexes.reclaim(store)
        stale = _of_chats(store)
        if stale:
            with store.write():
                for row in store.rows(_STALE_CHATS):
                    chats.ensure(store, row["id"], now)
                    if row["is_low"]:
                        chats.bring_up(store, row["id"], now)
                    chats.count_unread(store, row["id"])
        verify(store)
        return found + stale


def _of_the_index(store: Store) -> list[str]:
    """Return what is not in the search index as the messages say, each as a sentence."""
    missing, left = search_index.strayed(store)
    return [
        *([f"{counted(missing, 'message')} missing in the search index"] if missing else []),
        *([f"{counted(left, 'text')} of no message in the search index"] if left else []),
    ]


def _of_chats(store: Store) -> list[str]:
    stale = store.value(f"SELECT count(*) FROM ({_STALE_CHATS})")
    return [f"{counted(stale, 'chat')} with a wrong count of unread messages or time"] if stale else []
