"""What became of a change of a group, in words. The codes are WhatsApp's, as users of clients report them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wa.errors import WaError
from wa.record.names import stored_name
from wa.store.database import Row, Store

BY_INVITATION, NO_MEMBER, ALREADY = 403, 404, 409
_WHY_NOT_ADDED = {
    401: "has blocked you",
    403: "can be added by invitation only",
    404: "is not on WhatsApp",
    408: "left the group a short while ago",
    409: "is in the group already",
    419: "the group is full",
}
_WHY_NOT_CHANGED = {
    403: "WhatsApp does not allow it",
    404: "is not in the group",
    405: "WhatsApp does not allow it",
    406: "made the group",
}
_DONE = {"create": "added", "add": "added", "remove": "removed", "promote": "made an admin"}
_REFUSED: dict[tuple[str, int], tuple[str, str]] = {
    ("join", 404): ("not-found", "there is no such group any more"),
    ("join", 406): ("not-found", "this invitation is not valid"),
    ("join", 409): ("wrong-state", "you are in the group already"),
    ("join", 410): ("not-found", "this invitation was revoked"),
    ("invite", 401): ("wrong-state", "only an admin of the group can do that"),
    ("renew", 401): ("wrong-state", "only an admin of the group can do that"),
    ("create", 406): ("usage", "WhatsApp does not accept this name"),
    ("rename", 406): ("usage", "WhatsApp does not accept this name"),
}
"""The code and words of an error, by what was asked for and the server's code."""
_OF_ALL = {
    403: ("wrong-state", "you are not in the group, or only its admins can do that"),
    404: ("not-found", "there is no such group any more"),
    419: ("send-failed", "the group is full, or has too many of something"),
}


def done(kind: str) -> str:
    """Return what was done with a person."""
    return _DONE.get(kind, "no admin any more")


def results(
    store: Store,
    kind: str,
    people: Sequence[str],
    refused: Mapping[str, int],
    needless: Mapping[str, tuple[int, str]],
) -> list[Row]:
    """Return what became of each of the people: `jid`, `name`, `done`, and if it was not done `error`, `why`.

    `refused` has the server's codes, `needless` the codes and reasons of people for whom nothing was asked.
    """
    found = []
    for jid in people:
        code, why = needless.get(jid) or (refused.get(jid), "")
        if code is not None:
            why = why or _why(kind, code)
        row = {"jid": jid, "name": stored_name(store, jid), "done": code is None}
        found.append({**row, "error": code, "why": why or None})
    return found


def _why(kind: str, code: int) -> str:
    words = _WHY_NOT_ADDED if kind in ("create", "add") else _WHY_NOT_CHANGED
    unknown = f"WhatsApp refused it with error {code}" if code else "WhatsApp refused it without a reason"
    return words.get(code, unknown)


def failure_of(kind: str, rows: Sequence[Row]) -> WaError | None:
    """Return the error if nothing was done for anybody; None otherwise, and for a group that was made."""
    if kind == "create" or not rows or any(row["done"] for row in rows):
        return None
    codes = {row["error"] for row in rows}
    code = "recipient-not-found" if kind == "add" and codes == {NO_MEMBER} else "send-failed"
    verb = {"add": "added", "remove": "removed", "promote": "promoted", "demote": "demoted"}[kind]
    by_link = "send them the link that `wa groups invite` prints"
    hint = by_link if kind == "add" and BY_INVITATION in codes else "the table says why"
    return WaError(code, f"nobody was {verb}", hint)


def refusal(kind: str, status: int) -> WaError | None:
    """Return the error for an answer of the server that nothing was done; None for the usual one."""
    found = _REFUSED.get((kind, status)) or _OF_ALL.get(status)
    if found is None:
        return None
    code, message = found
    return WaError(code, message, "nothing was changed")
