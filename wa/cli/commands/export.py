"""wa export."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wa.cli.context import App
from wa.cli.options import After, Before, Json, MaybeChat, app_of, chat_of, span
from wa.errors import WaError
from wa.people.said import said
from wa.record.export import forms, page
from wa.record.export.job import Job
from wa.record.export.write import Form, to_file
from wa.texts import clean, counted

commands = typer.Typer()
_FORMS: dict[str, Form] = {"jsonl": forms.lines, "csv": forms.table, "html": page.page}
_NAMES = (*_FORMS, "txt")
_ENDINGS = {"htm": "html", "zip": "txt", "ndjson": "jsonl"}


@commands.command()
def export(
    ctx: typer.Context,
    chat: MaybeChat = None,
    everything: Annotated[bool, typer.Option("--all", help="All chats.")] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="F", help="jsonl, csv, txt or html; by default as FILE ends."),
    ] = None,
    after: After = None,
    before: Before = None,
    media: Annotated[
        bool, typer.Option("--media", help="Copy the files of the messages too, beside FILE.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file instead of standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Export a chat, or all, with the oldest message first.

    jsonl has the messages as `wa read --json` prints them, a line each; txt is the form
    of WhatsApp's own "Export chat". `wa history import` reads both. csv is a table, html
    a page for a browser, with a search. With --media, files go into a folder beside FILE;
    in the form txt, text and files are one ZIP, and so are all chats, a text each.

    Example: wa export nadia --format html --out nadia.html
    """
    app = app_of(ctx)
    if (chat is None) is not everything:
        raise WaError("usage", "what to export?", "name a chat, or give --all; not both")
    form = form or _form_of(out)
    if form not in _NAMES:
        raise WaError("usage", f"{form!r} is not a format", f"formats: {', '.join(_NAMES)}")
    if out is None and (media or app.json or force):
        what = "--media" if media else "--json" if app.json else "--force"
        raise WaError("usage", f"{what} needs --out FILE", "the messages themselves are what is printed")
    jid = chat_of(app, chat).jid if chat else None
    first, last = span(app, before, after)

    def say(row: dict[str, Any]) -> str:
        return said(app.store, row, app.out.time)

    job = Job(app.store, app.settings.zone, say, jid, last, first)
    with _progress(app, job, chat or "all chats"):
        found = _write(app, job, form, out, with_media=media, replacing=force)
    if found is not None:
        told = (
            f"{counted(found['messages'], 'message')} of {counted(found['chats'], 'chat')} written to {out}"
        )
        app.out.result(found, told)
        if media and found["media"]["missing"]:
            app.out.note(
                f"not here: {counted(found['media']['missing'], 'file')}; `wa download` fetches them"
            )


def _form_of(out: Path | None) -> str:
    ending = out.suffix[1:].lower() if out else ""
    return _ENDINGS.get(ending, ending) or "jsonl"


@contextmanager
def _progress(app: App, job: Job, name: str) -> Iterator[None]:
    """Show a bar for the messages."""
    with app.out.progress(in_bytes=False) as bars:
        job.advance = bars.begin(name, job.total())
        yield


def _write(
    app: App, job: Job, form: str, out: Path | None, *, with_media: bool, replacing: bool
) -> dict[str, Any] | None:
    """Write the export; return the report, None if it went to standard output."""
    if form == "txt":
        from wa.imports.export_chat import writing

        if out and (with_media or not job.chat or out.suffix.lower() == ".zip"):
            return writing.to_zip(job, out, with_media=with_media, replacing=replacing)
        if not (out or job.chat):
            raise WaError("usage", "each chat is a text of its own", "--out NAME.zip takes all of them")
        pieces: Form = writing.text
    else:
        pieces = _FORMS[form]
    if out:
        return to_file(job, pieces, out, with_media=with_media, replacing=replacing)
    for piece in pieces(job):
        app.out.data(clean(piece) if form == "txt" else piece)
    return None
