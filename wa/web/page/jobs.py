"""Jobs and their progress, and series: what goes to many people, and what goes out again and again."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from wa.connection.context import Context
from wa.errors import WaError
from wa.jids import show_jid
from wa.queue import rows, states
from wa.queue.jobs import control, show
from wa.queue.jobs import table as jobs
from wa.queue.series import change, occurrences
from wa.queue.series import table as series
from wa.queue.series.rules import in_words, parse
from wa.store.database import Row
from wa.times import from_iso, load_zone
from wa.web.answers import Answer, status_of
from wa.web.page import frame, render
from wa.web.page.forms import Form, new_key
from wa.web.page.render import View, said

_JOBS = 20
_SERIES = 50
_RECIPIENTS = 50
_ENDS_KNOWN = 2_000
"""The most messages of a job whose end is worked out for the screen."""
_WORDS = {
    "draft": "Draft", "pending": "Waiting", "running": "Running", "paused": "Paused",
    "completed": "Done", "failed": "Failed", "cancelled": "Cancelled",
}  # fmt: skip
_PARTS = {
    "waiting": ("Waiting", ""), "pending": ("Waiting", ""), "held": ("Held", "warn"), "draft": ("Draft", ""),
    "sending": ("Sending", ""), "sent": ("Sent", ""), "failed": ("Not sent", "bad"),
    "missed": ("Missed", "bad"), "unknown": ("Unknown", "warn"), "cancelled": ("Cancelled", ""),
    "skipped": ("Had it already", ""),
}  # fmt: skip
_ACTS = {
    "draft": ("approve", "cancel"), "pending": ("pause", "cancel"), "running": ("pause", "cancel"),
    "paused": ("resume", "cancel"), "completed": ("retry",), "failed": ("retry",), "cancelled": (),
}  # fmt: skip
_DONE = {
    "approve": ("pending", "running"), "pause": (), "cancel": (), "resume": ("pending", "running"),
    "retry": ("pending", "running"),
}  # fmt: skip
"""By verb: the statuses in which a second click finds the job; the other verbs may be repeated."""
_LABELS = {
    "approve": "Let it begin", "pause": "Pause", "resume": "Go on", "retry": "Try the failed ones again",
    "cancel": "Cancel the rest",
}  # fmt: skip


def screen(context: Context, view: View, query: Form) -> Answer:
    """Return the jobs, the newest first, and the series by their next time."""
    store = context.store
    at, mark, job_id = query["before"].partition("~")
    found = jobs.newest(store, _JOBS + 1, (at, job_id) if mark else None)
    after = query.number("after")
    listed = list(islice(series.listing(store, ended=False), after, after + _SERIES + 1))
    last = found[_JOBS - 1] if len(found) > _JOBS else None
    values = {
        "title": "Jobs",
        "tab": "jobs",
        "jobs": [_head(context, job) for job in found[:_JOBS]],
        "more_jobs": f"{last['created_at']}~{last['id']}" if last else None,
        "series": [_series(context, row) for row in listed[:_SERIES]],
        "more_series": after + _SERIES if len(listed) > _SERIES else None,
        "is_first": not mark and not after,
    }
    return frame.page(context, view, "jobs.html", **values)


def _head(context: Context, job: Row) -> dict[str, Any]:
    counts = show.counts(context.store, job)
    total = sum(counts.values())
    words: Counter[str] = Counter()
    for status, number in counts.items():
        words[_PARTS[status][0].lower()] += number
    told = [f"{number} {word}" for word, number in words.items() if word != "sent"]
    when = render.when(from_iso(job["created_at"]), context.settings.zone, context.now())
    return {
        "id": job["id"],
        "title": job["title"] or "Job",
        "word": _WORDS[job["status"]],
        "status": job["status"],
        "when": when,
        "sent": counts.get("sent", 0),
        "total": total,
        "say": ", ".join([f"{counts.get('sent', 0)} of {total} sent", *told]),
        "why": job["error_message"],
        "has_failed": bool(counts.get("failed") or counts.get("missed")),
    }


def one_job(context: Context, view: View, job_id: str, query: Form) -> Answer:
    """Return a job: its progress, what can be done, and what each recipient got or gets."""
    store, settings, now = context.store, context.settings, context.now()
    job = jobs.head(store, jobs.find(store, job_id))
    size, after = len(job["message_parts"]), query.number("after")
    found = list(islice(show.parts(store, settings, job, now, after=after - 1), (_RECIPIENTS + 1) * size))
    head = _head(context, job)
    end = show.expected_end(store, settings, job, now) if head["total"] <= _ENDS_KNOWN else None
    people = [found[at : at + size] for at in range(0, len(found), size)]
    acts = [(verb, _LABELS[verb]) for verb in _ACTS[job["status"]] if verb != "retry" or head["has_failed"]]
    values = {
        "title": head["title"],
        "tab": "jobs",
        "job": head,
        "end": render.when(end, settings.zone, now) if end else None,
        "acts": acts,
        "parts": list(range(1, size + 1)),
        "people": [_person(context, parts) for parts in people[:_RECIPIENTS]],
        "more": after + _RECIPIENTS if len(people) > _RECIPIENTS else None,
    }
    return frame.page(context, view, "job.html", **values)


def _person(context: Context, parts: list[Row]) -> dict[str, Any]:
    first = parts[0]
    name = first["contact_name"]
    return {
        "name": name or show_jid(first["to_jid"]),
        "address": render.address(first["to_jid"], name),
        "parts": [_part(context, part) for part in parts],
    }


def _part(context: Context, part: Row) -> dict[str, Any]:
    word, tone = _PARTS[part["status"]]
    at = part["sent_at"] or part["scheduled_at"]
    when = render.when(from_iso(at), context.settings.zone, context.now()) if at else ""
    return {"word": word, "tone": tone, "when": when.removeprefix("Today "), "why": part["error_message"]}


def act(context: Context, view: View, job_id: str, form: Form) -> Answer:
    """Do with a job what a button says; a second click finds it done."""
    found = jobs.find(context.store, job_id)
    try:
        _move(context, found, form["do"])
    except WaError as error:
        status = jobs.head(context.store, found)["status"]
        if error.code != "wrong-state" or status not in _DONE.get(form["do"], ()):
            raise
    context.wake_owner()
    return render.moved(view, f"/jobs/{render.in_path(found)}")


def _move(context: Context, job_id: str, verb: str) -> None:
    from wa.connection import ask

    store, now = context.store, context.now()
    if verb == "approve" and (draft := control.draft_of(store, job_id)):
        states.approve(store, draft, now, at_once=_is_past(context, draft))
    elif verb == "pause":
        ask.pause_job(context, job_id)
    elif verb == "cancel":
        ask.cancel_job(context, job_id)
    elif verb == "resume":
        control.resume(store, job_id, now)
    elif verb == "retry":
        control.retry(store, job_id, now)
    else:
        raise WaError("wrong-state", "this cannot be done with the job any more", "look at it again")


def _is_past(context: Context, row_id: str) -> bool:
    """Return whether the time of a row has passed."""

    return from_iso(rows.get(context.store, row_id)["scheduled_at"]) <= context.now()


# ── Series ──────────────────────────────────────────────────────────────────────────────────────────


def _series(context: Context, row: Row) -> dict[str, Any]:
    zone, now = load_zone(row["timezone"]), context.now()
    times = [from_iso(each) for each in occurrences.upcoming(context.store, row, now)]
    clock = row["starts_at_local"][11:16]
    return {
        **series.public(row),
        "who": row["contact_name"] or show_jid(row["to_jid"]),
        "address": render.address(row["to_jid"], row["contact_name"]),
        "rule": f"every {in_words(parse(row['rrule']))}, {clock}",
        "when": render.when(times[0], zone, now) if times else "",
        "next": [render.day(each, zone, now) for each in times],
        "clock": clock,
    }


def series_screen(
    context: Context,
    view: View,
    series_id: str,
    form: Form | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Answer:
    """Return the form for a series."""
    row = series.get(context.store, series_id)
    shown = _series(context, row)
    rule = in_words(parse(row["rrule"]))
    given = form or Form(
        {"text": [row["message"]], "at": [shown["clock"]], "every": [rule], "key": [new_key()]}
    )
    values = {
        "title": "Edit a series",
        "tab": "jobs",
        "form": given,
        "errors": errors or {},
        "key": given.key,
    }
    return frame.page(context, view, "series.html", status, row=shown, **values)


def change_series(context: Context, view: View, series_id: str, form: Form) -> Answer:
    """Hold, release, end or edit a series."""
    store, now, verb = context.store, context.now(), form["do"]
    moves = {"hold": change.hold, "unhold": change.unhold, "end": change.cancel}
    if verb in moves:
        done = {"hold": "held", "unhold": "active", "end": "ended"}[verb]
        if series.get(store, series_id)["status"] != done:
            moves[verb](store, series_id, now)
        context.wake_owner()
        return render.moved(view, "/jobs")
    row = series.get(store, series_id)
    changes: dict[str, Any] = {}
    if form["text"] != row["message"]:
        changes["text"] = str(form["text"])
    for name, before in (("at", row["starts_at_local"][11:16]), ("every", in_words(parse(row["rrule"])))):
        if form[name].strip() and form[name].strip() != before:
            changes[name] = str(form[name].strip())
    try:
        if changes:
            change.edit(store, context.settings, series_id, now, **changes)
    except WaError as error:
        return series_screen(context, view, series_id, form, {"": said(error)}, status_of(error))
    context.wake_owner()
    return render.moved(view, "/jobs")
