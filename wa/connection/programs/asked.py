"""What a program asks for, in its own words: a recipient, a chat, a span of time."""

from __future__ import annotations

from datetime import datetime

from wa.connection.context import Context
from wa.people import recipients
from wa.people.recipients import Recipient
from wa.when import parse_when


def recipient(context: Context, to: str) -> Recipient:
    """Return the recipient that a text means."""
    return recipients.resolve(context.store, to, context.settings.region, context.me)


def address(context: Context, who: str) -> Recipient:
    """Return whom a text means, be it a group that we have left."""
    return recipients.resolve_address(context.store, who, context.settings.region, context.me)


def chat(context: Context, text: str) -> Recipient:
    """Return the chat that a text means."""
    return recipients.resolve_chat(context.store, text, context.settings.region, context.me)


def span(context: Context, before: str | None, after: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the moments of a span of time, read in the zone of the settings."""
    now, zone = context.now(), context.settings.zone
    first, last = (
        None if text is None else parse_when(text, now, zone, past=True) for text in (before, after)
    )
    return first, last
