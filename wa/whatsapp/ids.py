"""Made-up ids, and the secrets of messages."""

from __future__ import annotations

import os

LOOPBACK_JID = "12025550100@s.whatsapp.net"
"""Our own account on loopback."""
NOTICE = "migrated-sec-notice-"
"""The beginning of the ids of `notice_id`; all made-up ids begin so (`wa.record.messages.MADE_UP`)."""


def new_secret() -> bytes:
    """Return a secret for one attempt to send a message: 32 random bytes, as WhatsApp has them."""
    return os.urandom(32)


def random_hex(count: int) -> str:
    """Return `count` random bytes as hexadecimal digits. The module `secrets` takes 4 ms to load."""
    return os.urandom(count).hex()


def own_message_id() -> str:
    """Return a message id in the form that a linked device makes."""
    return "3EB0" + random_hex(9).upper()


def phone_message_id() -> str:
    """Return a message id in the form that an iPhone makes."""
    return "3A" + random_hex(9).upper()


def connection_token() -> str:
    """Return a token that names one connection to the stand-in for WhatsApp."""
    return random_hex(8)


def invitation_code() -> str:
    """Return the code of an invitation to a group, in the form that WhatsApp makes."""
    import base64

    return base64.b64encode(os.urandom(16), altchars=b"Aa").decode().rstrip("=")


def notice_id(*about: object) -> str:
    """Return an id for what WhatsApp tells without an id; the same each time that it tells the same.

    The history has a real one, which replaces it.
    """
    from hashlib import sha256  # it takes 2 ms to load

    known = "\0".join(map(str, about)).encode("utf-8", "replace")
    return NOTICE + sha256(known).hexdigest()[:32]
