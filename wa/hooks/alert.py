"""WA_ALERT: a hook of its own that hears when a message was not sent, and when sending stops."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.hooks import table
from wa.hooks.program import split
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.times import describe, from_iso

NAME = "WA_ALERT"
"""The name of the hook; nobody can add one of this name."""
ME = "me"
"""The value with which notices are messages to oneself."""
_ENDED_BADLY = ("failed", "missed", "unknown")
_STOPS = {"brake": "WhatsApp asked for a rest", "ban": "WhatsApp has banned this account for a while"}


def columns(value: str) -> Row:
    """Return the columns of the hook for a value of WA_ALERT. Raise WaError `bad-setting`."""
    found: Row = {"exec": None, "webhook": None}
    try:
        if value.startswith(("http://", "https://")):
            from wa.hooks import webhook  # with HTTP and TLS, which cost 2 MB

            found["webhook"] = webhook.check(value, allow_http=False)
        elif value != ME:
            split(value)
            found["exec"] = value
    except WaError as error:  # the value itself may hold a password
        raise WaError("bad-setting", f"{NAME} is not valid: {error.message}", error.hint) from None
    return found


def sync(store: Store, settings: Settings, now: datetime) -> None:
    """Make the hook what WA_ALERT says now, or remove it. It hears of what happens from then on."""
    known = next((row for row in table.listing(store) if row["name"] == NAME), None)
    if settings.alert is None:
        if known is not None:
            table.remove(store, NAME)
        return
    values = columns(settings.alert)
    if known is None:
        table.add(store, NAME, {**values, "events": ["queue", "connection"], "is_alert": True}, now)
    elif any(known[name] != value for name, value in values.items()):
        table.change(store, known["id"], now, **values)


def is_worth_it(hook: Row, line: Row, data: Row) -> bool:
    """Return whether something is wrong; a notice about a notice would never end."""
    if line["type"] == "connection":
        return data["state"] == "none" and data["reason"] is not None
    if str(data.get("idempotency_key") or "").startswith(f"hook:{hook['id']}:"):
        return False
    return data["status"] in _ENDED_BADLY or data.get("reason") in _STOPS


def words(settings: Settings, data: Any, now: datetime) -> str:
    """Return a notice in words."""
    if "state" in data:
        return f"wa: the connection ended: {data['reason']}"
    if data["status"] == "paused":
        until = describe(from_iso(data["until"]), settings.zone, now)
        return f"wa: {_STOPS[data['reason']]}; sending goes on at {until}"
    who = data["contact_name"] or data["to_phone"] or data["to_jid"]
    due = describe(from_iso(data["scheduled_at"]), settings.zone, now)
    state = "may have been sent or not" if data["status"] == "unknown" else f"was not sent ({data['status']})"
    why = f": {data['error_message']}" if data["error_message"] else ""
    return f"wa: the message to {who} of {due} {state}{why}"
