"""The queue: what needs the user, drafts, what waits and what was sent, and what can be done with each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from wa.connection.context import Context
from wa.errors import WaError
from wa.queue import attention, outcomes, pacing, rows, states
from wa.queue.series import change, table
from wa.store.database import Row, Store
from wa.web.answers import Answer
from wa.web.page import frame, render
from wa.web.page.forms import Form
from wa.web.page.render import View
from wa.web.page.rows import shown

SECTIONS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "needs": ("Needs you", ("unknown", "failed", "missed"), True),
    "drafts": ("Drafts to approve", ("draft",), False),
    "waiting": ("Waiting", ("pending", "held", "sending"), False),
    "sent": ("Sent", ("sent",), True),
    "cancelled": ("Cancelled", ("cancelled",), True),
}
"""By name: the title of a part of the queue, its statuses, and whether the newest come first."""
_ON_THE_SCREEN = {"needs": 10, "drafts": 10, "waiting": 20, "sent": 10}
"""Rows of each part on the first screen."""
_ON_A_PAGE = 50

_GOES = ("pending", "sending", "sent")
_Change = Callable[[Store, str, datetime], Row]


def _settle(outcome: str) -> _Change:
    return lambda store, row_id, now: outcomes.resolve(store, row_id, outcome, now)


_CHANGES: dict[str, tuple[_Change, tuple[str, ...], str]] = {
    "approve": (partial(states.approve, at_once=False), _GOES, "Approved: {when}."),
    "approve-now": (partial(states.approve, at_once=True), _GOES, "Approved: it goes out now."),
    "cancel": (states.cancel, ("cancelled",), "Cancelled: it does not go out."),
    "hold": (states.hold, ("held",), "Held: it does not go out until you release it."),
    "unhold": (states.unhold, _GOES, "Released: {when}."),
    "sent": (_settle("sent"), ("sent",), "Settled: it arrived."),
    "failed": (_settle("failed"), ("failed",), "Settled: it did not arrive."),
}  # fmt: skip
"""By verb: the move, the statuses in which it is done already, and what is said then."""
_SENDS = ("retry", "again")
_SAID = {**{verb: text for verb, (_, _, text) in _CHANGES.items()}, "end": "The series has ended."}
_SAID |= dict.fromkeys(_SENDS, "It is on its way again.")
_SAID["added"] = "Scheduled: {when}."
_SAID["now"] = "It is on its way."
_SAID["draft"] = "Kept as a draft. It goes out after you approve it."
_SAID["edited"] = "Changed: {when}."


def screen(context: Context, view: View, query: Form) -> Answer:
    """Return the first screen: the beginning of each part of the queue."""
    store = context.store
    counts = rows.counts(store)
    attention.note_looked(store, "all", counts)
    parts = [_part(context, name, limit, None, counts) for name, limit in _ON_THE_SCREEN.items()]
    values = {"title": "Queue", "tab": "queue", "note": _note(context, query)}
    return frame.page(context, view, "queue.html", parts={each["name"]: each for each in parts}, **values)


def one_part(context: Context, view: View, name: str, query: Form) -> Answer:
    """Return one part of the queue, a page of it."""
    if name not in SECTIONS:
        raise WaError("not-found", "there is no such part of the queue")
    after = attention.from_cursor(query["after"]) if query["after"] else None
    found = _part(context, name, _ON_A_PAGE, after, rows.counts(context.store))
    return frame.page(context, view, "queue_part.html", title=found["title"], tab="queue", part=found)


def _part(
    context: Context, name: str, limit: int, after: attention.Place | None, counts: dict[str, int]
) -> dict[str, Any]:
    title, statuses, newest_first = SECTIONS[name]
    found, last = attention.page(context.store, statuses, limit, after, newest_first=newest_first)
    return {
        "name": name,
        "title": title,
        "count": sum(counts.get(status, 0) for status in statuses),
        "rows": [shown(context, row) for row in found],
        "more": attention.as_cursor(last) if last else None,
    }


def _note(context: Context, query: Form) -> dict[str, Any] | None:
    """Return what is said above the queue after something was done with a row."""
    text = _SAID.get(query["said"])
    if text is None or not rows.exists(context.store, query["id"]):
        return None
    return {"row": (row := shown(context, rows.get(context.store, query["id"]))), "text": _words(text, row)}


def _words(text: str, row: dict[str, Any]) -> str:
    return text.format(when=f"it goes out {row['due']}" if row["status"] in rows.OPEN else "it has gone out")


def now(context: Context, row_id: str) -> Answer:
    """Return what became of a row, for the place where it stands."""
    return render.part("now.html", row=shown(context, rows.get(context.store, row_id)))


def act(context: Context, view: View, row_id: str, form: Form) -> Answer:
    """Do with a row what a button says. Raise WaError as the moves do, unless it is done already."""
    verb, store = form["do"], context.store
    row = rows.get(store, row_id)
    if verb == "end":
        _end_series(context, row)
    elif verb in _SENDS or verb in _CHANGES:
        _move(context, row, verb, form["seen"])
    else:
        raise WaError("usage", "this button is not known", "load the page again")
    context.wake_owner()
    if view.is_part:
        after = shown(context, rows.get(store, row_id))
        return render.part("outcome.html", text=_words(_SAID[verb], after), status=after["status"])
    return render.moved(view, "/", said=verb, id=row_id)


def _move(context: Context, row: Row, verb: str, seen: str) -> None:
    """Move a row to another status. An error does not count where it is there already: by a second click."""
    store, now = context.store, context.now()
    if verb == "unhold" and row["series_id"] and table.get(store, row["series_id"])["status"] == "held":
        change.unhold(store, row["series_id"], now)
        return
    try:
        if verb in _SENDS:
            pacing.rebase(store, now)
            grace = context.settings.grace
            states.retry(store, row["id"], now, force=verb == "again", grace=grace, seen=seen)
        else:
            _CHANGES[verb][0](store, row["id"], now)
    except WaError as error:
        done = _GOES if verb in _SENDS else _CHANGES[verb][1]
        is_there = rows.get(store, row["id"])["status"] in done
        if error.code not in ("wrong-state", "unknown-outcome") or not is_there:
            raise


def _end_series(context: Context, row: Row) -> None:
    if row["series_id"] is None:
        raise WaError("wrong-state", "this message belongs to no series")
    if table.get(context.store, row["series_id"])["status"] != "ended":
        change.cancel(context.store, row["series_id"], context.now())
