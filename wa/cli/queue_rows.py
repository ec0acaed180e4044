"""Shared by the commands on rows of the queue: ids and texts as arguments, and changing several rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from wa.cli.completion import complete_template, or_none
from wa.cli.context import App
from wa.cli.options import read_text
from wa.cli.show import note_what_keeps, when_due, who
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue import rows as queue
from wa.queue.templates import words
from wa.record import messages
from wa.record.names import canonical
from wa.store.database import Row, Store
from wa.texts import counted
from wa.times import from_iso, load_zone


def became(app: App, row: Row) -> dict[str, str]:
    """Return in words what was done with a row's message after it was sent: its edit or its deletion."""
    found = messages.find(app.store, canonical(app.store, row["to_jid"]), row["message_id"] or "")
    if found is None or not (changed := found["deleted_at"] or found["edited_at"]):
        return {}
    at = app.out.time(from_iso(changed))
    return {"deleted": at} if found["deleted_at"] else {"edited": f"{at}: {found['content']}"}


def complete_id(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids for the shell's completion, none in case of an error."""
    from wa.queue.series import table

    def ids(app: App) -> list[tuple[str, str]]:
        rows = [*queue.recent(app.store, 200), *islice(table.listing(app.store, ended=False), 200)]
        return [(row["id"], f"{who(row)}: {row['message'][:30]}") for row in rows]

    return or_none(ctx, ids)


Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The id, its beginning, or the part after _.", autocompletion=complete_id
    ),
]
OfSeries = Annotated[bool, typer.Option("--series", help="The whole series that it belongs to.")]
Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID…", help="The ids, their beginnings, or the parts after _.", autocompletion=complete_id
    ),
]

_CALLED = {"poll": "the poll ", "location": "the place "}
"""What a message without a text and a file is called."""
Change = Callable[[Store, str, datetime], Mapping[str, Any]]


def change_each(
    app: App,
    ids: Sequence[str],
    change: Change,
    done: str,
    note: Callable[[Mapping[str, Any]], None] = lambda row: None,
    *,
    of_series: Change | None = None,
    series: bool = False,
) -> None:
    """Change each row or series, then raise the first error; JSON is an array if there are several."""
    rows: list[Row] = []
    errors: list[WaError] = []
    for row_id, series_id in [_target(app, each, of_series, series=series) for each in ids]:
        try:
            if series_id is None or of_series is None:
                row = change(app.store, str(row_id), app.now())
            else:
                row = of_series(app.store, series_id, app.now())
        except WaError as error:
            errors.append(error)
            continue
        rows.append(with_series(app, row))
        what = f"the series {series_id}" if series_id else row_id
        app.out.line(f"{done} {what} for {who(row)}")
        note(row)
    app.context.wake_owner()
    if errors:
        raise errors[0]
    if app.json and len(ids) == 1:
        app.out.result(rows[0], "")
    elif app.json:
        app.out.table(rows, [], lambda row: [], "")


def _target(app: App, text: str, of_series: Change | None, *, series: bool) -> tuple[str | None, str | None]:
    """Return the id of a row, or of a series where the command works on these."""
    if of_series is None:
        return queue.find(app.store, text), None
    from wa.queue.series import change

    return change.find(app.store, text, series=series)


def with_series(app: App, row: Mapping[str, Any]) -> Row:
    """Return a row as it is shown in JSON: with its series, and the next times of that."""
    if row["series_id"] is None:
        return {**row, "series": None, "next": []}
    from wa.queue.series import occurrences

    return occurrences.with_series(app.store, dict(row), app.now())


def described(app: App, row: Mapping[str, Any], now: datetime | None = None) -> tuple[Row, str]:
    """Return a row with its series for JSON, and in words: a line, and one for each time that follows.

    `now` is when its time was read, so that `in 10 minutes` is still that.
    """
    shown = with_series(app, row)
    line = f"{row['id']}  {who(row)}  {when_due(app, row, now)}{mark(row, before='  ')}{state_note(shown)}"
    later = [when for when in shown["next"] if when != row["scheduled_at"]]
    return shown, "\n".join(
        [line, *(f"    then {when_due(app, {**row, 'scheduled_at': each})}" for each in later)]
    )


def series_row(app: App, series: Row) -> Row:
    """Return a series as it is shown in JSON, with its next times."""
    from wa.queue.series import occurrences, table

    return {**table.public(series), "next": occurrences.upcoming(app.store, series, app.now())}


def rule_words(row: Mapping[str, Any]) -> str:
    """Return the rule of a series in words, with its time of day."""
    from wa.queue.series.rules import in_words, parse

    return f"{in_words(parse(row['rrule']))}, {row['starts_at_local'][11:16]}"


def outcome_line(app: App, row: Mapping[str, Any], was_sent: bool) -> str:
    """Return in words that a row was sent, or queued, or that it is due later."""
    what = f"{row['file_name']} " if row["file_name"] else _CALLED.get(row["media_type"], "")
    if row["status"] == "sent":
        return f"{'already sent' if was_sent else 'sent'} {what}to {who(row)}"
    if row["status"] in ("draft", "held"):
        verb = "approve" if row["status"] == "draft" else "unhold"
        return f"{row['status']} {what}{row['id']} for {who(row)}: `wa schedule {verb}` lets it go out"
    due = f", due {when_due(app, row)}" if from_iso(row["scheduled_at"]) > app.now() else ""
    return f"queued {what}{row['id']} for {who(row)}{due}"


class Told:
    """Tells of each of the `most` messages that a command sends; with --json, of all in one array."""

    def __init__(self, app: App, most: int) -> None:
        self._app, self._most, self._rows = app, most, list[Row]()

    def __call__(self, row: Mapping[str, Any], was_sent: bool) -> None:
        """Print what became of a message, by its row; `was_sent` if an earlier command had sent it."""
        app, done = self._app, outcome_line(self._app, row, was_sent)
        self._rows.append(with_series(app, row))
        with app.out.even_unheard(done):
            if self._most == 1:
                app.out.result(self._rows[0], done)
                return
            app.out.line(done)
            if len(self._rows) == self._most and app.json:
                app.out.table(self._rows, [], lambda row: [], "")

    def note_what_keeps(self) -> None:
        """Say what keeps the last message from going out, if it waits."""
        if self._rows and (row := self._rows[-1])["status"] == "pending":
            note_what_keeps(self._app, row, scheduled=from_iso(row["scheduled_at"]) > self._app.now())


def mark(row: Mapping[str, Any], before: str = "") -> str:
    """Return the mark of a row of a series, with the rule in words: `↻ last friday`."""
    if not row["rrule"]:
        return ""
    from wa.queue.series.rules import in_words, parse

    return f"{before}↻ {in_words(parse(row['rrule']))}"


def short_id(app: App, whole: str) -> str:
    """Return an id as a table has it: on a terminal the part after the _, which every command takes."""
    return whole.rpartition("_")[2] if app.out.on_terminal else whole


def kind_mark(row: Mapping[str, Any]) -> str:
    """Return the mark of a row that is more than a text: `[poll]`, `[document plan.pdf]`, `[view once]`."""
    details = json.loads(row["details"] or "{}")
    told = [
        "forwarded" if "forwarded" in details else "",
        "view once" if "view_once" in details else "",
        row["media_type"] or "",
        row["file_name"] or "" if row["media_path"] else "",
    ]
    text = " ".join(filter(None, told))
    return f"[{text}]" if text else ""


def zone_mark(app: App, row: Mapping[str, Any]) -> str:
    """Return the time of a row on the clock of its own zone, where that is not the zone of the settings."""
    if row["timezone"] in (None, str(app.settings.zone)):
        return ""
    try:
        local = from_iso(row["scheduled_at"]).astimezone(load_zone(row["timezone"]))
    except WaError:  # a zone that this machine does not know
        return f"({row['timezone']})"
    return f"({local:%H:%M} {row['timezone']})"


def limits(series: Mapping[str, Any]) -> str:
    """Return where a series ends, and the dates that it leaves out, as an addition to its rule."""
    parts = [
        series["until_local"] and f"until {series['until_local'][:16].replace('T', ' ')}",
        series["count"] and counted(series["count"], "date"),
        series["except"] and f"except {', '.join(series['except'])}",
    ]
    return "".join(f", {each}" for each in parts if each)


def state_note(row: Mapping[str, Any]) -> str:
    """Return what keeps a row from going out at its time, as an addition to a line about it."""
    series = row.get("series")
    held = series["id"] if series and series["status"] == "held" else row["id"]
    return {
        "draft": f"  (a draft: `wa schedule approve {row['id']}` lets it go out)",
        "held": f"  (held: `wa schedule unhold {held}` lets it go out)",
    }.get(row["status"], "")


# ── Texts and templates ─────────────────────────────────────────────────────────────────────────────

Template = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A template in place of TEXT; see `wa template`.",
        autocompletion=complete_template,
    ),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="A field of the template; may be repeated.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and store nothing.")]


class Words(words.Words):
    """The text of a message as it was typed."""

    @classmethod
    def typed(cls, app: App, text: str | None, template: str | None, given: Sequence[str] | None) -> Words:
        """Return what was typed. Raise WaError `usage` for a text and a template, and `not-found`."""
        if template is None:
            if given:
                raise WaError("usage", "--set gives fields of a template", "name one with --template")
            return cls(read_text(text), None, {})
        if text is not None:
            raise WaError("usage", "there are a text and a template", "leave one of them out")
        found = words.of_template(app.store, template, given or ())
        return cls(found.text, found.template, found.given)

    def said_to(self, app: App, to: Recipient, local: datetime) -> str:
        """Return the text for a recipient as `filled` does; note a field that is not filled in."""
        if self.template is None and "{" in self.text:
            from wa.queue.templates.values import values_for

            known = values_for(app.store, to, local)
            if field := next((each for each in known if f"{{{each}}}" in self.text), None):
                app.out.note(f"{{{field}}} goes out as it stands here: only a --template is filled in")
        return self.filled(app.store, to, local)

    def preview(
        self, app: App, to: Recipient, said: str, zone: ZoneInfo, times: Sequence[str], **beside: Any
    ) -> None:
        """Print what a recipient would get, and when: at these times (ISO text), or now if there are none.

        `beside` are columns of what is more than a text.
        """
        row: dict[str, Any] = {
            "to_jid": to.jid,
            "to_phone": to.phone,
            "contact_name": to.name,
            "message": said,
            **beside,
        }
        row.update(scheduled_at=next(iter(times), None), timezone=str(zone), next=list(times))
        when = [when_due(app, {**row, "scheduled_at": each}) for each in times] or ["now"]
        shown = f"[{beside['media_type']}] {said}" if "media_type" in beside else said
        app.out.result(row, "\n".join([f"to {who(row)}, {'; then '.join(when)}:", shown]))
