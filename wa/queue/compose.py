"""Composing rows of the queue from the user's input: a text, files, a time, a zone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from wa.errors import WaError
from wa.jids import check_recipient, show_jid
from wa.people import recipients
from wa.people.recipients import Recipient
from wa.queue import checks, rows, states
from wa.queue.kinds import edited
from wa.record.names import canonical
from wa.settings import Settings, end_of_grace
from wa.store.database import Row, Store
from wa.store.open import bind_store
from wa.store.paths import Home
from wa.store.wake import wake_owner
from wa.times import describe, from_iso, load_zone, quoted, resolve_wall, to_iso
from wa.values import Value

if TYPE_CHECKING:
    from wa.when import When


class Part(Value):
    """One of the messages that a text and files are sent as.

    `file` has media_path (in the home), media_type and file_name; `kind` is the type of what is neither a
    text nor a file; `details` are as `MessageReceived.details`.
    """

    text: str
    file: Row | None = None
    quoted_id: str | None = None
    kind: str | None = None
    details: Row | None = None

    def columns(self) -> Row | None:
        """Return the columns of what goes with the text; None for a text alone."""
        if self.kind is None and not self.details:
            return self.file
        details = json.dumps(self.details, ensure_ascii=False) if self.details else None
        return {"media_path": None, "media_type": self.kind, **(self.file or {}), "details": details}


def parts_of(
    home: Home,
    text: str,
    files: Sequence[Path],
    *,
    quoted_id: str | None = None,
    key: str | None = None,
) -> list[Part]:
    """Copy the files into the home, and return the messages to send, in order.

    The text is the caption of the first file; a sound has no caption, so the text
    is a message before it. The first message quotes `quoted_id`. Raise WaError
    `usage` for a key with several files, and as `outgoing.check_sendable` does.
    """
    if len(files) > 1 and key is not None:
        raise WaError(
            "usage", "one key cannot stand for several messages", "send each file with a key of its own"
        )
    if files:
        from wa.media import outgoing  # it takes 3 ms to load

        for path in files:
            outgoing.check_sendable(path)
    return _with_text(text, [_keep(home, path) for path in files], quoted_id)


def _with_text(text: str, kept: Sequence[Row], quoted_id: str | None = None) -> list[Part]:
    """Return the messages for a text and files that are in the home."""
    if not kept or (text and kept[0]["media_type"] in ("audio", "voice")):
        return [Part(text, None, quoted_id), *(Part("", file) for file in kept)]
    return [Part(text, kept[0], quoted_id), *(Part("", file) for file in kept[1:])]


def _keep(home: Home, path: Path) -> Row:
    """Copy a file into the home, so that the original may change or go; return its columns."""
    from wa.media import outgoing

    where, name = outgoing.keep(home, path)
    kind = outgoing.kind_for_sending(home.path / where)
    return {"media_path": where, "media_type": kind.name, "file_name": name}


def queue_now(
    store: Store,
    to: Recipient,
    part: Part,
    now: datetime,
    *,
    grace: timedelta,
    key: str | None = None,
    draft: bool = False,
    created_from: str = "cli",
) -> Row:
    """Add a message that is to be sent at once. Return its row; raise as `rows.enqueue` does."""
    return rows.enqueue(
        store,
        to,
        part.text,
        now,
        now,
        grace=grace,
        immediate=True,
        key=key,
        quoted_id=part.quoted_id,
        file=part.columns(),
        draft=draft,
        created_from=created_from,
    )


def schedule(
    store: Store,
    settings: Settings,
    to: Recipient,
    text: str,
    moment: datetime,
    now: datetime,
    *,
    zone: ZoneInfo,
    grace: timedelta | None = None,
    file: Path | Row | None = None,
    key: str | None = None,
    draft: bool = False,
    of_contact: bool = False,
    created_from: str = "cli",
) -> Row:
    """Add a message that is to be sent at a moment, given in a zone, and wake the owner of the connection.

    `file` is as for `one_part`. With `of_contact`, the zone is the contact's, and follows it. Return its row.
    Raise as `one_part` and `rows.enqueue` do.
    """
    part = one_part(store.home, text, file, key=key)
    bind_store(store, settings.transport)
    row = rows.enqueue(
        store,
        to,
        text,
        moment,
        now,
        grace=settings.grace if grace is None else grace,
        zone=str(zone),
        key=key,
        file=part.file,
        draft=draft,
        of_contact=of_contact,
        created_from=created_from,
    )
    checks.check_decided(row)
    wake_owner(store.home.socket)
    return row


def one_part(
    home: Home, text: str, file: Path | Row | None, *, key: str | None = None, quoted_id: str | None = None
) -> Part:
    """Return the one message that a text and a file are sent as.

    `file` is a path, which is copied into the home, or the columns of a file that is there. Raise as
    `parts_of` does, and WaError `usage` for a text with a sound.
    """
    if isinstance(file, Path):
        parts = parts_of(home, text, [file], key=key, quoted_id=quoted_id)
    else:
        parts = _with_text(text, [] if file is None else [file], quoted_id)
    if text and len(parts) > 1:
        raise WaError(
            "usage", "a sound cannot have a caption", 'schedule the text by itself, and the sound with ""'
        )
    return parts[-1]


def edit(
    store: Store,
    settings: Settings,
    row_id: str,
    now: datetime,
    *,
    text: str | None = None,
    at: str | None = None,
    tz: str | None = None,
    to: Recipient | None = None,
) -> Row:
    """Change a row that is not sent yet, and wake the owner of the connection. Return the row.

    `at` is read in the zone that it names, or `tz` (`contact`: the recipient's); without both, in the zone
    in which the row's time was given. `tz` alone keeps the wall time. A row for another recipient gives up
    the zone of the one before for that of the settings. Raise as `states.edit` does, and WaError `usage` if
    nothing is to change.
    """
    with store.write():  # the row must still be what the changes are made of
        row = rows.get(store, row_id)
        changes: Row = {}
        if text is not None:
            checks.check_text(text)
            changes.update(edited.with_text(store, row, text))
        zone = zone_of(row, settings)
        if to is not None:
            check_recipient(to.jid)
            changes.update(to_jid=to.jid, to_phone=to.phone, contact_name=to.name)
            changes.update(contact_id=recipients.contact_of(store, to), error_code=None, error_message=None)
            before = _recipient_of(row)
            is_theirs = row["timezone"] and row["timezone"] == recipients.timezone_of(store, before)
            if is_theirs and to.jid != canonical(store, before.jid):
                zone = settings.zone
                changes["timezone"] = str(zone)
        if tz is not None:
            zone = zone_for(store, to or _recipient_of(row), tz, zone)
            changes.update(timezone=str(zone), zone_of_contact=tz == "contact")
        if at is not None:
            when = read_at(at, now, zone, of_contact=tz == "contact")
            if when.zone.key != zone.key:
                changes.update(timezone=str(when.zone), zone_of_contact=False)
            changes.update(new_time(row, when.moment, settings.grace))
        elif tz is not None:
            wall = from_iso(row["scheduled_at"]).astimezone(zone_of(row, settings)).replace(tzinfo=None)
            moment = resolve_wall(wall, zone)
            if moment <= now:
                raise WaError(
                    "usage", f"that is {describe(moment, zone, now)}, which has passed", "give --at too"
                )
            changes.update(new_time(row, moment, settings.grace))
        if not changes:
            raise WaError("usage", "there is nothing to change", "give --text, --at, --tz or --to")
        if "scheduled_at" in changes or "timezone" in changes:
            after = {**row, **changes}
            changes["local_at"] = rows.local_at(from_iso(after["scheduled_at"]), after["timezone"])
        row = states.edit(store, row_id, now, changes)
    wake_owner(store.home.socket)
    return row


def read_at(text: str, now: datetime, zone: ZoneInfo, *, of_contact: bool = False) -> When:
    """Return the time that a text means in `zone`, or in the zone that it names.

    Raise as `read_when` does, and WaError `usage` if it names another zone than that `of_contact`.
    """
    from wa.when import read_when  # its patterns take 3 ms to compile, and most commands read no time

    when = read_when(text, now, zone)
    if of_contact and when.zone.key != zone.key:
        message = f"{quoted(text)} names {when.zone}, and the zone of the contact is {zone}"
        raise WaError("usage", message, "give one of the two")
    return when


def _recipient_of(row: Row) -> Recipient:
    return Recipient(row["to_jid"], row["to_phone"], row["contact_name"])


def zone_of(row: Row, settings: Settings) -> ZoneInfo:
    """Return the zone in which a row's time was given."""
    return load_zone(row["timezone"]) if row["timezone"] else settings.zone


def new_time(row: Row, moment: datetime, grace: timedelta) -> Row:
    """Return the changes that move a row to another time; it keeps the length of its grace."""
    if row["expires_at"]:
        grace = from_iso(row["expires_at"]) - from_iso(row["scheduled_at"])
    return {
        "scheduled_at": to_iso(moment),
        "expires_at": to_iso(end_of_grace(moment, grace)),
        "not_before": None,
        "is_immediate": False,
    }


def zone_for(store: Store, to: Recipient, name: str | None, default: ZoneInfo) -> ZoneInfo:
    """Return the zone `name`; for the name `contact` the recipient's own, and for None the default."""
    if name is None:
        return default
    if name != "contact":
        return load_zone(name)
    known = recipients.timezone_of(store, to)
    if known is None:
        raise WaError("usage", f"no time zone is known for {to.name or show_jid(to.jid)}", "give --tz a zone")
    return load_zone(known)
