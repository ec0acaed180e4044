"""Made-up ids, and the secrets of messages."""

from __future__ import annotations

import hashlib
import secrets

NOTICE = "migrated-sec-notice-"
"""The beginning of the ids of `notice_id`; all made-up ids begin so (`wa.record.messages.MADE_UP`)."""


def new_secret() -> bytes:
    """Return a secret for one attempt to send a message: 32 random bytes, as WhatsApp has them."""
    return secrets.token_bytes(32)


def own_message_id() -> str:
    """Return a message id in the form that a linked device makes."""
    return "3EB0" + secrets.token_hex(9).upper()


def phone_message_id() -> str:
    """Return a message id in the form that an iPhone makes."""
    return "3A" + secrets.token_hex(9).upper()


def connection_token() -> str:
    """Return a token that names one connection to the stand-in for WhatsApp."""
    return secrets.token_hex(8)


def notice_id(*about: object) -> str:
    """Return an id for what WhatsApp tells without an id; the same each time that it tells the same.

    The history has a real one, which replaces it.
    """
    known = "\0".join(map(str, about)).encode("utf-8", "replace")
    return NOTICE + hashlib.sha256(known).hexdigest()[:32]
