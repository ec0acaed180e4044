"""Queries in GraphQL (`w:mex`): the few that clients send by themselves.

Others get an error of GraphQL, and are noted as unhandled.
"""

from __future__ import annotations

import json
from typing import Any

from relay.connection import Connection
from relay.hub import Hub
from relay.model import Account
from relay.refused import Unknown
from relay.wabin import Node, node

KNOWN: dict[str, dict[str, Any]] = {
    "23983697327930364": {
        "xwa2_fetch_account_reachout_timelock": {
            "is_active": False,
            "time_enforcement_ends": "0",
            "enforcement_type": "DEFAULT",
        }
    },
    "24503548349331633": {
        "xwa2_message_capping_info": {"capping_status": "NONE", "total_quota": 0, "used_quota": 0}
    },
}
"""The data of an answer by the id of its query: no restriction on an account, no limit on new chats."""


FOLLOWED = "6388546374527196"
"""The query for the channels that an account follows."""


def followed(account: Account) -> dict[str, Any]:
    """Return the data of the channels that an account follows."""
    return {"xwa2_newsletter_subscribed": [_channel(jid, name) for jid, name in account.channels.items()]}


def _channel(jid: str, name: str) -> dict[str, Any]:
    text = {"text": name, "id": "1", "update_time": "1700000000000000"}
    picture = {"id": "1", "type": "PREVIEW", "direct_path": ""}
    about = {
        "creation_time": "1700000000",
        "invite": "0029VaAbCdEfGh",
        "name": text,
        "description": {**text, "text": ""},
        "subscribers_count": "12",
        "verification": "UNVERIFIED",
        "preview": picture,
        "settings": {"reaction_codes": {"value": "ALL"}},
    }
    seen = {"mute": "ON", "role": "SUBSCRIBER"}
    return {"id": jid, "state": {"type": "ACTIVE"}, "thread_metadata": about, "viewer_metadata": seen}


def answer(hub: Hub, conn: Connection, query: Node) -> list[Node]:
    """Answer a query; the fields are those that clients read, their values a guess."""
    asked = query.child("query")
    if asked is None:
        raise Unknown
    data = KNOWN.get(asked.text("query_id"))
    if asked.text("query_id") == FOLLOWED and conn.device is not None:
        data = followed(conn.device.account)
    reply: dict[str, Any] = {"data": data}
    if data is None:
        hub.note_unhandled(f"GraphQL query {asked.text('query_id')}")
        extensions = {"error_code": 400, "is_retryable": False, "severity": "CRITICAL"}
        reply["errors"] = [{"message": "the relay does not know this query", "extensions": extensions}]
    return [node("result", {}, json.dumps(reply).encode())]
