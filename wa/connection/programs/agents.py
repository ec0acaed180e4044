"""What an agent may do by itself: send and schedule to contacts, so many an hour; the rest becomes drafts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from wa.connection.context import Context
from wa.connection.programs import asked, sending
from wa.errors import WaError
from wa.jids import show_jid
from wa.people import recipients
from wa.people.recipients import Recipient
from wa.queue import attention, checks, compose, rows, states
from wa.record.changing import which
from wa.store.database import Row
from wa.texts import counted

MADE_BY = "mcp"
"""The value of `created_from` for the rows of agents."""
PER_HOUR = 20
"""The most messages that agents of one home send or schedule in an hour without approval."""


@dataclass(frozen=True)
class Allowed:
    """What a person lets an agent do without approval, and to which contacts; by default nothing."""

    send: bool = False
    schedule: bool = False
    only: frozenset[int] | None = None
    """The ids of the contacts, None for all."""


@dataclass(frozen=True)
class Made:
    """The row of a message, whether the call made it, and why it is a draft and did not go out."""

    row: Row
    is_new: bool
    why: str | None
    is_for_later: bool


def contacts_named(context: Context, words: Iterable[str]) -> frozenset[int]:
    """Return the ids of the contacts that words mean. Raise WaError `usage` for one who is no contact."""
    found = set()
    for word in words:
        person = asked.recipient(context, word)
        contact = recipients.contact_of(context.store, person)
        if contact is None:
            message = f"{word!r} is not a contact, and an agent sends to contacts alone"
            raise WaError("usage", message, "`wa contacts add` adds one")
        found.add(contact)
    return frozenset(found)


def send(context: Context, allowed: Allowed, to: str, text: str, key: str, reply_to: str | None) -> Made:
    """Queue a message to be sent now, or make a draft. Raise as `sending.queue` does."""
    context.require_account()
    person = asked.recipient(context, to)
    quoted = which.id_of(context.store, person.jid, reply_to) if reply_to else None
    part = compose.Part(text, None, quoted)
    draft = _Draft(context, person, allowed, allowed.send)
    row, is_new = sending.queue(context, person, part, key, created_from=MADE_BY, is_draft=draft)
    return Made(row, is_new, draft.why, is_for_later=False)


def schedule(
    context: Context, allowed: Allowed, to: str, text: str, at: str, tz: str | None, key: str
) -> Made:
    """Queue a message for later, or make a draft. Raise as `compose.schedule` does."""
    store, settings, now = context.store, context.settings, context.now()
    person = asked.recipient(context, to)
    zone = compose.zone_for(store, person, tz, settings.zone)
    when = compose.read_at(at, now, zone, of_contact=tz == "contact")
    draft = _Draft(context, person, allowed, allowed.schedule)
    as_reply = context.counting([person.jid], key)

    def make() -> Row:
        row = compose.schedule(
            store,
            settings,
            person,
            text,
            when.moment,
            now,
            zone=when.zone,
            key=key,
            draft=draft(),
            of_contact=tz == "contact",
            created_from=MADE_BY,
        )
        return as_reply(row)

    row, is_new = checks.once(store, key, make)
    context.wake_owner()
    return Made(row, is_new, draft.why, is_for_later=True)


def cancel(context: Context, allowed: Allowed, word: str) -> Row:
    """Cancel a message: a draft of an agent's, and with `schedule` any to somebody the agent may send to.

    Raise WaError `usage` for others, and as `states.cancel` does.
    """
    store = context.store
    row_id = rows.find(store, word)
    with store.write():
        states.expect(store, row_id, "cancelled", rows.OPEN)
        row = rows.get(store, row_id)
        is_own_draft = row["created_from"] == MADE_BY and row["status"] == "draft"
        person = Recipient(row["to_jid"], row["to_phone"], row["contact_name"])
        if not is_own_draft and (why := _kept_from(context, person, allowed, is_allowed=allowed.schedule)):
            message = f"{row_id} is not a draft that an agent made, and {why}"
            raise WaError("usage", message, f"a person may: `wa schedule cancel {row_id}`")
        row = states.cancel(store, row_id, context.now())
    context.wake_owner()
    return row


def left(context: Context) -> int:
    """Return how many messages agents may still send or schedule in this hour without approval."""
    since = context.now() - timedelta(hours=1)
    return max(0, PER_HOUR - attention.unapproved(context.store, MADE_BY, since))


def _kept_from(context: Context, person: Recipient, allowed: Allowed, *, is_allowed: bool) -> str | None:
    """Return why an agent may not do something for a recipient without approval; None if it may."""
    if not is_allowed:
        return "the server was not started with --allow for this"
    who = person.name or show_jid(person.jid)
    contact = recipients.contact_of(context.store, person)
    if contact is None:
        return f"{who} is not a contact"
    if allowed.only is not None and contact not in allowed.only:
        return f"{who} is none of those that --to names"
    return None


@dataclass
class _Draft:
    """Decides whether a message is a draft, when it is called, and keeps the reason."""

    context: Context
    person: Recipient
    allowed: Allowed
    is_allowed: bool
    why: str | None = None

    def __call__(self) -> bool:
        self.why = _kept_from(self.context, self.person, self.allowed, is_allowed=self.is_allowed)
        if self.why is None and self.context.drafts(asked=False):
            self.why = "the hook that started this server makes drafts alone"
        if self.why is None and not left(self.context):
            self.why = f"{counted(PER_HOUR, 'message')} went without approval in the last hour"
        return self.why is not None
