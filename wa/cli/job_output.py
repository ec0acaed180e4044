"""Jobs as text and JSON, and the making of a job from a command's options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from wa.cli.context import App
from wa.cli.show import note_what_keeps, who
from wa.texts import counted, one_line
from wa.times import describe, from_iso, load_zone, to_iso

if TYPE_CHECKING:
    from wa.queue.jobs.people import Wish
    from wa.queue.jobs.sources import Given

_COLUMNS = ["to", "part", "status", "when", "text"]


def make(app: App, wish: Wish, given: Iterable[Given], *, dry_run: bool, ask: bool = False) -> None:
    """Make a job and print it; with `dry_run`, print who gets what when. With `ask`, ask the user before."""
    import typer

    from wa.errors import WaError
    from wa.queue.jobs import make as jobs
    from wa.queue.jobs import table
    from wa.queue.jobs.people import freeze

    now = app.now()
    wish = replace(wish, draft=app.context.drafts(asked=wish.draft))
    people = freeze(app.store, app.settings, app.context.me, given, wish, now)
    if people.doubles:
        again = "is named more than once, and gets" if people.doubles == 1 else "are named again, and get"
        app.out.note(f"{counted(people.doubles, 'recipient')} {again} each message once")
    if ask and not app.out.on_terminal:
        raise WaError(
            "usage", f"this goes to {_persons(len(people.rows))}", "--yes sends it without a question"
        )
    if dry_run or ask:
        _rehearse(app, wish, people)
    if dry_run:
        return
    if ask and not typer.confirm(f"Send it to {_persons(len(people.rows))}?", err=True):
        app.out.note("nothing is sent")
        return
    app.context.counting(row["to_jid"] for row in people.rows)
    job, is_new = jobs.create(
        app.store,
        app.settings,
        wish,
        people,
        now,
        created_from=app.context.made_from("cli"),
        hook_id=app.context.hook_id,
    )
    if not is_new:
        app.out.note("the key has this job already; nothing was added")
    app.out.result(table.whole(app.store, job["id"]), headline(app, job, len(people.rows)))
    if job["status"] == "pending":
        note_what_keeps(app, job, scheduled=True)


def _rehearse(app: App, wish: Wish, people: Any) -> None:
    """Print who gets what when, and when it is over."""
    from wa.queue.jobs import make as jobs

    now = app.now()
    messages, clock = jobs.rehearse(app.store, app.settings, wish, people, now)
    last = max(row["scheduled_at"] for row in messages)
    stalls_at = to_iso(clock.stalls_at) if clock.stalls_at else None
    messages, _ = jobs.rehearse(app.store, app.settings, wish, people, now)
    rows = ({**row, "status": "planned"} for row in messages)
    if app.json:
        jids = [row["to_jid"] for row in people.rows]
        plan = {"title": wish.title, "recipients": jids, "expected_end": last, "pauses_at": stalls_at}
        app.out.streamed(plan, "parts", rows)
        return
    app.out.table(rows, _COLUMNS, lambda row: _cells(app, row), "nobody")
    number, parts = counted(len(people.rows), "recipient"), counted(len(wish.parts), "part")
    app.out.note(f"{number}, {parts} each; over on {describe(from_iso(last), wish.zone, now)}")
    if clock.stalls_at:
        app.out.note(
            f"but it pauses on {describe(clock.stalls_at, wish.zone, now)}: quiet hours or the daily limit"
            " keep it for longer than its grace; --grace gives it more"
        )


def _persons(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"


def headline(app: App, job: Mapping[str, Any], total: int) -> str:
    """Return a job in one line."""
    from wa.queue.jobs import control

    done = f"{job['recipients_sent']} of {total} sent"
    if job["recipients_failed"]:
        done += f", {job['recipients_failed']} failed"
    line = f"{job['id']}  {one_line(job['title'])}  {job['status']}  {done}"
    if job["status"] == "draft":
        line += f"  (a draft: `wa schedule approve {control.draft_of(app.store, job['id'])}` lets it begin)"
    elif job["status"] == "pending" and job["scheduled_start_at"]:
        line += f"  begins {_when(app, job, job['scheduled_start_at'])}"
    return line + (f"  ({one_line(job['error_message'])})" if job["error_message"] else "")


def _when(app: App, job: Mapping[str, Any], moment: str) -> str:
    zone = load_zone(job["timezone"]) if job["timezone"] else app.settings.zone
    return describe(from_iso(moment), zone, app.now())


def _cells(app: App, row: Mapping[str, Any]) -> list[object]:
    note = row.get("error_message") or row.get("note") or ""
    text = row["message"] or ""
    moment = row.get("sent_at") or row["scheduled_at"]
    return [
        who(row),
        row["part_index"] + 1,
        row["status"],
        f"{from_iso(moment).astimezone(app.settings.zone):%Y-%m-%d %H:%M:%S}" if moment else "",
        text + (f"  ({note})" if note else ""),
    ]


def summary(app: App, job: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a job in a few lines, and what `--json` adds to its row."""
    from wa.queue.jobs import show, table

    found = dict(job)
    counts = show.counts(app.store, found)
    end = show.expected_end(app.store, app.settings, found, app.now())
    lines = [headline(app, job, table.size(app.store, job["id"]))]
    lines.append("messages: " + (", ".join(f"{number} {each}" for each, number in counts.items()) or "none"))
    if end:
        lines.append(f"over on {_when(app, job, to_iso(end))}")
    return "\n".join(lines), {"counts": counts, "expected_end": to_iso(end) if end else None}


def show(app: App, job_id: str, limit: int | None, after: int) -> None:
    """Print a job with its parts: in JSON and in a pipe all of them, on a terminal a page."""
    from wa.queue.jobs import show as jobs
    from wa.queue.jobs import table

    job = table.head(app.store, job_id)
    text, more = summary(app, job)
    size, total = len(job["message_parts"]), table.size(app.store, job_id)
    if limit is None:
        limit = 50 if app.out.on_terminal else total
    parts = islice(jobs.parts(app.store, app.settings, job, app.now(), after=after - 1), max(0, limit) * size)
    if app.json:
        app.out.streamed({**table.whole(app.store, job_id), **more}, "parts", parts)
        return
    app.out.note(text) if not app.out.on_terminal else app.out.line(text + "\n")
    app.out.table(parts, _COLUMNS, lambda row: _cells(app, row), "nobody")
    if (left := total - after - limit) > 0:
        app.out.note(f"{counted(left, 'more recipient')}: --after {after + limit}, or --limit")


def watch(app: App, job_id: str) -> None:
    """Show a job on a terminal until it is over, or the user ends it."""
    import time

    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    from wa.queue.jobs import show as jobs
    from wa.queue.jobs import table

    def picture() -> Group:
        job = table.head(app.store, job_id)
        text, more = summary(app, job)
        total = table.size(app.store, job_id) * max(1, len(job["message_parts"]))
        done = sum(
            n for each, n in more["counts"].items() if each not in ("waiting", "pending", "sending", "held")
        )
        first = max(0, job["current_recipient_index"] - 3)
        rows = islice(
            jobs.parts(app.store, app.settings, job, app.now(), after=first - 1),
            8 * len(job["message_parts"]),
        )
        lines = ["  ".join(one_line(cell) for cell in _cells(app, row)) for row in rows]
        return Group(
            Text(text),
            ProgressBar(total=total, completed=done),
            *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines),
        )

    with Live(picture(), console=Console(), refresh_per_second=4) as live:
        while table.head(app.store, job_id)["status"] in table.UNFINISHED:
            time.sleep(0.25)
            live.update(picture())
        live.update(picture())
