"""Sessions of browsers: a cookie holds a random token, and `state` the hash of it.

The hash is made with the secret, so that another secret ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from datetime import datetime, timedelta

from wa.store.database import Store
from wa.times import from_iso, to_iso

LASTS = timedelta(days=30)
"""How long a session lasts after its last use."""
TOUCH_AFTER = timedelta(hours=1)
"""The age of the noted last use from which on a use is noted."""
MOST = 100
"""Sessions to keep; the one that was not used for longest gives way to a new one."""
KEY = "web_sessions"
"""The key in the table `state`."""


def begin(store: Store, secret: str | None, now: datetime) -> str:
    """Begin a session; return its token."""
    token = secrets.token_urlsafe(32)
    with store.write():
        known = _alive(store, now)
        newest = sorted(known, key=known.__getitem__)[-(MOST - 1) :]
        kept = {each: known[each] for each in newest}
        store.set_state(KEY, {**kept, _hash(token, secret): to_iso(now)})
    return token


def use(store: Store, secret: str | None, token: str, now: datetime) -> tuple[bool, bool]:
    """Return whether a token is that of a session, and whether its cookie should be sent anew."""
    name, known = _hash(token, secret), _alive(store, now)
    if name not in known:
        return False, False
    if now - from_iso(known[name]) < TOUCH_AFTER:
        return True, False
    try:
        with store.patience(0), store.write():
            known = _alive(store, now)
            if name in known:
                store.set_state(KEY, {**known, name: to_iso(now)})
        return name in known, True
    except sqlite3.OperationalError:  # locked or full: the next use is noted
        return True, False


def end(store: Store, secret: str | None, token: str, now: datetime) -> None:
    """End a session."""
    name = _hash(token, secret)
    with store.write():
        known = _alive(store, now)
        store.set_state(KEY, {each: used for each, used in known.items() if each != name} or None)


def _alive(store: Store, now: datetime) -> dict[str, str]:
    """Return the last use of each session that has not run out, by its hash."""
    known: dict[str, str] = store.state().get(KEY, {})
    return {name: used for name, used in known.items() if now - from_iso(used) < LASTS}


def _hash(token: str, secret: str | None) -> str:
    return hmac.new((secret or "").encode(), token.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
