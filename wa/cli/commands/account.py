"""link, unlink, status, doctor, pause, resume."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from wa.backup import make as backup
from wa.cli.context import App
from wa.cli.options import Json, app_of, finite
from wa.connection import spool
from wa.errors import WaError
from wa.jids import phone_of_jid
from wa.queue import pacing
from wa.queue import rows as schedule
from wa.record import messages
from wa.store.device import linked_account
from wa.store.locks import describe_holder, lock_holder
from wa.times import format_duration, from_iso, to_iso

app = typer.Typer()


@app.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the account, the connection and what waits to be sent.

    Example: wa status
    """
    own = app_of(ctx)
    own.out.result(_status(own), "\n".join(f"{name:<13} {text}" for name, text in _lines(own, _status(own))))


def _status(own: App) -> dict[str, Any]:
    store = own.store
    device = linked_account(store)
    if device is None and own.settings.transport == "loopback":
        me = own.context.transport.account()
        device = {"jid": me.jid, "lid": me.lid, "push_name": me.push_name} if me else None
    holder = lock_holder(own.home.session_lock)
    block = pacing.blocked(store, own.now(), own.settings)
    newest = messages.newest_time(store)
    saved = backup.describe(store)
    return {
        "account": device,
        "owner": {key: holder.get(key) for key in ("pid", "command", "since")}
        if holder is not None
        else None,
        "sending": pacing.word(block),
        "sending_note": block.text if block and block.reason != "spacing" else None,
        "queue": schedule.counts(store),
        "spool": spool.count(store),
        "last_message_at": to_iso(messages.moment(newest)) if newest is not None else None,
        "last_backup_at": to_iso(saved["last_at"]) if saved["last_at"] else None,
    }


def _lines(own: App, found: dict[str, Any]) -> list[tuple[str, str]]:
    me, owner = found["account"], found["owner"]
    name = f"{me['push_name'] or ''} +{phone_of_jid(me['jid'])}".strip() if me else "not linked"
    held = "nobody"
    if owner:
        since = own.out.time(from_iso(owner["since"])) if owner["since"] else "just now"
        held = f"{describe_holder(owner)} since {since}" if owner["command"] else "another program"
    queue = ", ".join(f"{count} {status}" for status, count in sorted(found["queue"].items()))
    last = found["last_message_at"]
    lines = [
        (
            "account",
            name
            if own.settings.transport != "loopback"
            else f"{name} (loopback: nothing leaves this machine)",
        ),
        ("connection", held),
        ("sending", found["sending"] + (f": {found['sending_note']}" if found["sending_note"] else "")),
        ("queue", queue or "empty"),
        ("last message", own.out.time(from_iso(last)) if last else "none yet"),
        ("last backup", _backup_line(own)),
    ]
    if found["queue"].get("unknown"):
        lines.append(("unknown", "`wa schedule list --status unknown` shows what may have been sent"))
    if found["spool"]:
        stuck = spool.stuck(own.store)
        note = f", {len(stuck)} of them cannot be read: {stuck[0]}" if stuck else ""
        lines.append(("spool", f"{found['spool']} events wait to be recorded{note}"))
    return lines


def _backup_line(own: App) -> str:
    saved = backup.describe(own.store)
    at, waiting = saved["last_at"], saved["waiting"]
    text = "none yet; `wa backup` makes one"
    if at:
        text = f"{own.out.time(at)} ({format_duration(pacing.whole(own.now() - at))} ago)"
    if waiting:
        text += f", {waiting} {'waits' if waiting == 1 else 'wait'} for upload"
    return text + (f"; the last run failed: {saved['trouble']}" if saved["trouble"] else "")


@app.command()
def pause(ctx: typer.Context, as_json: Json = False) -> None:
    """Stop all sending. The queue stays, and messages are still received.

    Once the command has ended with exit code 0, nothing goes out until `wa resume`.

    Example: wa pause
    """
    from wa.connection import deliver

    own = app_of(ctx)
    deliver.pause(own.context)
    own.out.result({"sending": "paused"}, "paused: nothing is sent until `wa resume`")


@app.command()
def resume(ctx: typer.Context, as_json: Json = False) -> None:
    """Start sending again, and trust the computer's clock.

    Example: wa resume
    """
    from wa.connection import deliver

    own = app_of(ctx)
    block = deliver.resume(own.context)
    note = f", but not yet: {block.text}" if block and block.text else ""
    own.out.result({"sending": pacing.word(block)}, f"sending goes on{note}")


@app.command()
def link(
    ctx: typer.Context,
    phone: Annotated[
        str | None,
        typer.Option("--phone", metavar="N", help="Show a code to type on the phone with this number."),
    ] = None,
    full_history: Annotated[
        bool, typer.Option("--full-history", help="Ask the phone for its whole history.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(min=1, max=3600, metavar="S", help="Give up after this many seconds.", callback=finite),
    ] = 120,
    as_json: Json = False,
) -> None:
    """Link this device to your WhatsApp account.

    On the phone: Settings, Linked devices, Link a device; then scan the QR code
    that appears here. With --phone, choose "Link with phone number instead" on
    the phone and type the code. The phone then sends the last months of its
    history, or all of it with --full-history.

    Example: wa link
    """
    from wa.connection import link as pairing

    own = app_of(ctx)
    show = _Pictures(own)
    pairing.link(own.context, phone, full_history, timeout, show.tell)


class _Pictures:
    """Shows what happens while linking; on a terminal each picture takes the place of the last."""

    def __init__(self, own: App) -> None:
        self._own = own
        self._lines = 0

    def tell(self, event: dict[str, Any]) -> None:
        """What `pairing.link` calls with each event."""
        out, kind = self._own.out, event["event"]
        if kind == "qr" and not self._own.json:
            from wa.cli.qr import picture

            drawn = picture(event["code"], colours=out.on_terminal)
            how = "scan this with the phone: Settings, Linked devices, Link a device"
            self._lines = out.picture(drawn, how, self._lines)
            return
        text = {
            "code": f"type this code on the phone: {event.get('code')}",
            "paired": f"linked to +{phone_of_jid(event.get('jid') or '')}",
            "paused": "sending is paused, for this home was linked to another account: `wa resume` resumes",
            "caught-up": f"{event.get('messages', 0):,} messages recorded; `wa listen` records what follows",
        }.get(kind, "")
        out.event(event, text)


@app.command()
def unlink(ctx: typer.Context, as_json: Json = False) -> None:
    """Log this device out and delete its keys. Recorded messages and the queue stay.

    Example: wa unlink
    """
    from wa.connection import link as pairing

    own = app_of(ctx)
    account = pairing.unlink(own.context)
    out = f"unlinked from +{phone_of_jid(account['jid'])}; what is recorded stays"
    own.out.success({"unlinked": account["jid"]}, out)


@app.command()
def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Check what wa needs, and say what to do about each problem.

    Example: wa doctor
    """
    from wa.connection import doctor as diagnosis

    own = app_of(ctx)
    checks = diagnosis.examine(own)
    if own.json:
        own.out.table(checks, [], lambda row: [], "")
    for each in checks:
        own.out.line(f"{'ok ' if each['ok'] else 'NO '} {each['name']:<12} {each['message']}")
        if each["hint"]:
            own.out.line(f"    hint: {each['hint']}")
    failed = [each for each in checks if not each["ok"]]
    if failed:
        raise typer.Exit(WaError(failed[0]["code"], "").exit_status)
