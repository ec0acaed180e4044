"""wa send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wa.cli.completion import complete_contact
from wa.cli.context import App
from wa.cli.options import Draft, Files, Json, MaybeTo, Mentions, Wait, app_of, recipient
from wa.cli.queue_rows import DryRun, Set, Template, Told, Words
from wa.errors import WaError

_INSTEAD = "Instead of a text"
commands = typer.Typer()


@commands.command()
def send(
    ctx: typer.Context,
    to: MaybeTo = None,
    text: Annotated[
        str | None, typer.Argument(help="The text; without it, or with -, standard input.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="G", help="Instead of TO: all contacts with this tag; may be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --tag: send without a question.")] = False,
    file: Files = None,
    reply_to: Annotated[
        str | None, typer.Option(metavar="MSG", help="The message to quote: its id, or `last`, `last:3` …")
    ] = None,
    wait: Wait = 90,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Queue the message and return at once.")] = False,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="A message with the same key is never sent twice.")
    ] = None,
    draft: Draft = False,
    template: Template = None,
    set_: Set = None,
    dry_run: DryRun = False,
    mention: Mentions = None,
    view_once: Annotated[
        bool, typer.Option("--view-once", help="The recipient can look at the picture or video once.")
    ] = False,
    poll: Annotated[
        str | None, typer.Option(metavar="QUESTION", help="Send a poll.", rich_help_panel=_INSTEAD)
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="A", help="With --poll: an option, of 2 to 12.", rich_help_panel=_INSTEAD),
    ] = None,
    multi: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="With --poll: one may choose N options, not only one.", rich_help_panel=_INSTEAD
        ),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(metavar="LAT,LON", help="Send a place, in degrees.", rich_help_panel=_INSTEAD),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="T", help="With --location: what it is called.", rich_help_panel=_INSTEAD),
    ] = None,
    contact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Send name and numbers of a contact; may be repeated.",
            autocompletion=lambda ctx, incomplete: complete_contact(ctx, incomplete),
            rich_help_panel=_INSTEAD,
        ),
    ] = None,
    sticker: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Send a WebP as a sticker.", rich_help_panel=_INSTEAD),
    ] = None,
    as_json: Json = False,
) -> None:
    """Send a message or files now, and wait until WhatsApp has it.

    The text is the caption of the first file. Files go out as pictures, videos or
    sound if their content is that, and as documents otherwise. If `wa listen` or
    `wa run-scheduler` holds the connection, that process sends the message;
    otherwise this command connects, sends and disconnects.

    With --tag, everybody with the tag gets it, one person after the other: it is a
    job (`wa jobs`), for which {first} and other fields are filled in. On a
    terminal, the command shows who gets what, and asks.

    A poll, a place, contacts or a sticker is a message of its own, without a text. Of a
    contact, the recipient gets name and numbers, and nothing else that you keep.

    Example: wa send 447700900123 "Here is the list" --file contacts/aliases.txt
    """
    from wa.connection.deliver import send_parts
    from wa.queue.compose import parts_of
    from wa.queue.kinds.wish import Wish, part_of
    from wa.record.changing import which

    app = app_of(ctx)
    app.context.require_account()
    wish = Wish(
        poll, option or (), multi, location, name, contact or (), sticker, mention or (), bool(view_once)
    )

    def typed_words(given: str | None) -> Words:
        if given is None and file and not template:
            return Words("", None, {})
        return Words.typed(app, given, template, set_)

    if tag:
        if text is not None or reply_to is not None:
            what = "a TO" if text is not None else "--reply-to"
            raise WaError("usage", f"{what} and --tag exclude one another", 'wa send --tag family "Hello"')
        if wish != Wish():
            raise WaError("usage", "--tag sends texts and files", "name each recipient for anything else")
        words = typed_words(to)
        return _send_to_tags(app, tag, words, file or [], key, draft, yes, dry_run)
    if to is None:
        raise WaError("usage", "there is no recipient", "name one, or give --tag for several")
    wish.check(file or [], has_text=text is not None or template is not None or bool(set_))
    person = recipient(app, to)
    made, zone = wish.made(app.store, app.settings.region), app.settings.zone
    typed = typed_words(text) if made is None else Words(made.text, None, {})
    said = typed.text if made else typed.said_to(app, person, app.now().astimezone(zone))
    said, mentioned = wish.mentioning(said, [recipient(app, each) for each in wish.mentions])
    quoted = None if reply_to is None else which.id_of(app.store, person.jid, reply_to)
    if dry_run:
        beside = {"media_type": made.kind, "details": made.details} if made else {}
        return typed.preview(app, person, said, zone, [], **beside)
    if made is not None:
        parts = [part_of(app.home, made, quoted)]
    else:
        parts = wish.marked(parts_of(app.home, said, file or [], quoted_id=quoted, key=key), mentioned)
    tell = Told(app, len(parts))
    send_parts(app.context, person, parts, key, None if no_wait else wait, tell, draft=draft)
    tell.note_what_keeps()
    return None


def _send_to_tags(
    app: App,
    tags: list[str],
    words: Words,
    files: list[Path],
    key: str | None,
    draft: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Make a job of a message to everybody with a tag."""
    from wa.cli import job_output
    from wa.media import outgoing
    from wa.queue import checks
    from wa.queue.jobs import people, plan
    from wa.queue.jobs.sources import Part

    checks.check_text(words.text, may_be_empty=bool(files))
    for file in files:
        outgoing.check_sendable(file)
    parts = [
        Part(words.text, None, files[0] if files else None),
        *(Part("", None, file) for file in files[1:]),
    ]
    settings = app.settings
    wish = people.Wish(
        None, parts, None, settings.zone, plan.GAP, settings.grace, plan.MAX_RETRIES, key, draft, words.given
    )
    given = people.tagged(app.store, tags)
    job_output.make(app, wish, given, dry_run=dry_run, ask=not (yes or dry_run))
