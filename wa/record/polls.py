"""Polls: their options, and the votes, of which the newest of a person counts: the table `poll_votes`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from wa.store.database import Row, Store
from wa.store.rewrites import join_chats

UNKNOWN = "an option that is not known here"


def vote(store: Store, key: Row, choices: Sequence[str], said_at: int) -> None:
    """Store a vote, unless a later one of that person is stored; all functions join the transaction.

    `key` holds chat_jid, poll_id and voter; `choices` are SHA-256 digests of options in hex, `said_at` is
    in Unix milliseconds.
    """
    store.execute(
        "INSERT INTO poll_votes VALUES (:chat_jid, :poll_id, :voter, :choices, :said_at) ON CONFLICT DO"
        " UPDATE SET choices = excluded.choices, said_at = excluded.said_at"
        " WHERE excluded.said_at >= said_at",
        {**key, "choices": json.dumps(list(choices)), "said_at": said_at},
    )


def is_asked(row: Row) -> bool:
    """Return whether a row of the type `poll` asks: it is no result, tombstone or exported text."""
    details = row["details"] or {}
    is_known = "poll" in details or (row["source"] in ("live", "history") and "results" not in details)
    return is_known and not row["deleted_at"]


def options_of(poll: Row) -> list[str]:
    """Return the options of a poll, a row with `details` as an object.

    Polls recorded by earlier versions have the question and the options as lines of their text.
    """
    about = (poll["details"] or {}).get("poll") or {}
    return list(about.get("options", (poll["content"] or "").splitlines()[1:]))


def question_of(poll: Row) -> str:
    """Return the question of a poll, a row with `details` as an object."""
    about = (poll["details"] or {}).get("poll") or {}
    return str(about.get("question", (poll["content"] or "").partition("\n")[0]))


def is_open(poll: Row) -> bool:
    """Return whether everybody may add options to a poll."""
    return bool(((poll["details"] or {}).get("poll") or {}).get("is_open"))


def words(poll: Row | None, choices: Sequence[str]) -> str:
    """Return a vote in words, with the options that it is for."""
    if not choices:
        return "Took back a vote"
    names = {digest(name): name for name in (options_of(poll) if poll else ())}
    return "Voted: " + ", ".join(names.get(each, UNKNOWN) for each in choices)


def tally(store: Store, poll: Row) -> Row:
    """Return a poll's question and options, each with its voters, and the voters for unknown options."""
    options = options_of(poll)
    voters, unknown = _voters(store, poll, options)
    return {
        "question": question_of(poll),
        "options": [
            {"name": name, "votes": len(voters[digest(name)]), "voters": voters[digest(name)]}
            for name in options
        ],
        "unknown_votes": len(unknown),
    }


def unknown_voters(store: Store, poll: Row) -> list[str]:
    """Return the JIDs of those who voted for an option that is not known here, once for each such option."""
    return _voters(store, poll, options_of(poll))[1]


def _voters(store: Store, poll: Row, options: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the voters for each option, by its digest, and those for unknown options."""
    voters: dict[str, list[str]] = {digest(name): [] for name in options}
    unknown: list[str] = []
    cast = store.rows(
        "SELECT voter, choices FROM poll_votes WHERE chat_jid = ? AND poll_id = ? ORDER BY said_at, voter",
        [poll["chat_jid"], poll["message_id"]],
    )
    for each in cast:
        chosen = dict.fromkeys(json.loads(each["choices"]))
        for choice in chosen:
            voters.get(choice, unknown).append(each["voter"])
    return voters, unknown


def forget(store: Store, rows: Sequence[Row]) -> None:
    """Remove the votes in polls, rows with chat_jid and message_id."""
    keys = [(row["chat_jid"], row["message_id"]) for row in rows]
    store.conn.executemany("DELETE FROM poll_votes WHERE chat_jid = ? AND poll_id = ?", keys)


def rename_voter(store: Store, lid: str, pn: str) -> None:
    """Replace a hidden id by the phone JID as a voter."""
    _rename(store, "voter", lid, pn)


@join_chats.part
def _join_polls(store: Store, lid: str, pn: str) -> None:
    _rename(store, "chat_jid", lid, pn)


def _rename(store: Store, column: str, lid: str, pn: str) -> None:
    for row in store.rows(f"SELECT * FROM poll_votes WHERE {column} = ?", [lid]):
        vote(store, {**row, column: pn}, json.loads(row["choices"]), row["said_at"])
    store.execute(f"DELETE FROM poll_votes WHERE {column} = ?", [lid])


def digest(option: str) -> str:
    """Return the form in which a vote names an option."""
    from hashlib import sha256  # it takes 2 ms to load, which few commands need

    return sha256(option.encode("utf-8", "replace")).hexdigest()
