"""The schemas of what the API answers with: the columns of each kind of row, and the form of an error."""

from __future__ import annotations

import re
from typing import Any

from wa.queue.rows import STATUSES
from wa.record.messages import TYPES

Schema = dict[str, Any]
_MARKS = {"": "string", "#": "integer", "!": "boolean", "{}": "object", "[]": "array"}


def _row(columns: str, **more: Schema) -> Schema:
    """Return the schema of a row whose columns are all there.

    A column without a mark is text; `#` marks an integer, `!` a flag, `{}` an object, `[]` a list of texts,
    and `?` what may be null. `more` are columns with a schema of their own.
    """
    found: dict[str, Schema] = {}
    for word in columns.split():
        name, mark, maybe = re.fullmatch(r"(\w+)(#|!|\{\}|\[\])?(\?)?", word).groups("")  # type: ignore[union-attr]
        kind = _MARKS[mark]
        found[name] = {"type": [kind, "null"] if maybe else kind}
        if kind == "array":
            found[name]["items"] = {"type": "string"}
    found |= more
    return {"type": "object", "required": list(found), "properties": found}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_SERIES = (
    "id to_jid to_phone? message media_path? file_name? media_type? rrule timezone starts_at_local"
    " until_local? count#? grace is_draft! template? fields{}? created_at created_from updated_at"
    " idempotency_key? contact_name? except[]"
)
_SERIES_STATUS = {"status": _one_of("active", "held", "ended")}
_MESSAGE = (
    "id# chat_jid message_id sender? content? timestamp# at is_from_me! status? quoted_id? edited_at?"
    " deleted_at? media_path? details{}? unavailable? source created_at chat_name? sender_name?"
)
_JOB = (
    "id title scheduled_start_at created_at completed_at? current_recipient_index# current_part_index#"
    " recipients_sent# recipients_failed# last_sent_at? error_message? config{} created_from updated_at?"
    " timezone? idempotency_key?"
)
_JOB_MORE = {
    "status": _one_of("draft", "pending", "running", "paused", "completed", "failed", "cancelled"),
    "message_parts": listed({"type": "object"}),
}
_PART = (
    "id? recipient_index# part_index# to_jid message? error_code? error_message? note? scheduled_at? sent_at?"
    " message_id? attempts# contact_name?"
)
_GROUP = (
    "id name? is_group! unread_count# last_message_time#? last_message_at? left_at? created_at updated_at"
)
_MEMBERS = {"members": listed(_row("member_jid role name?"))}
_RESULTS = {"results": listed(_row("jid name? done! error#? why?")), **_MEMBERS}
SCHEMAS = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": _row("code message hint?")},
    },
    "Queued": _row(
        "id to_jid to_phone? message quoted_id? scheduled_at timezone? error_code? error_message? created_at"
        " created_from updated_at sent_at? message_id? attempts# expires_at? not_before? note? series_id?"
        " occurrence? template? job_id? recipient_index#? part_index#? idempotency_key? media_path?"
        " media_type? file_name? details{}? rrule? contact_name? next[]",
        status=_one_of(*STATUSES),
        series={"anyOf": [_row(_SERIES, **_SERIES_STATUS), {"type": "null"}]},
    ),
    "Series": _row(f"{_SERIES} next[]", **_SERIES_STATUS),
    "Message": {
        **_row(
            f"{_MESSAGE} receipts{{}}?",
            message_type=_one_of(*TYPES),
            reactions=listed(_row("sender? emoji timestamp#? at?")),
        ),
        "description": "A poll has `poll` too: its `question`, its `options`, each with `name`, `votes` and"
        " `voters`, and `unknown_votes`.",
    },
    "FoundMessage": _row(f"{_MESSAGE} snippet", message_type=_one_of(*TYPES)),
    "Chat": _row(
        "id name? is_group! unread_count# last_message_time#? last_message_at? last_message? last_is_from_me!"
        " is_archived! is_pinned! muted_until#? muted_until_at?"
        " last_message_type? last_deleted_at? last_unavailable? last_details{} created_at updated_at"
        " last_mentions[]"
    ),
    "Group": _row(_GROUP, **_MEMBERS),
    "GroupChanged": _row(_GROUP, **_RESULTS),
    "GroupWithLink": _row(f"{_GROUP} link", **_RESULTS),
    "GroupJoined": {
        **_row("id name? is_waiting!", **_RESULTS),
        "description": "Once we are in it, all else of a group too.",
    },
    "Person": _row("jid name?"),
    "Blocked": _row("jid name? is_blocked!"),
    "Contact": _row(
        "id# phone? name aliases[] tags[] is_favorite! notes? timezone? birthday? created_at updated_at",
        phones=listed(_row("phone label?")),
    ),
    "Job": _row(f"{_JOB} recipients[]", **_JOB_MORE),
    "JobWithParts": _row(
        f"{_JOB} counts{{}} expected_end?",
        **_JOB_MORE,
        parts=listed(_row(_PART, status=_one_of(*STATUSES, "waiting", "skipped"))),
    ),
    "Template": _row("name text created_at updated_at fields[]"),
    "Status": _row(
        "account{}? owner{}? connection connection_since? connection_reason? sending sending_note? queue{}"
        " overdue# unseen{} renumbered# unknown_changes# spool# last_message_at? last_backup_at?"
        " in_the_future[]",
        paused_jobs=listed({"type": "object"}),
        resting_hooks=listed({"type": "object"}),
    ),
    "Health": _row(
        "timestamp healthy! connected! pendingMessages#? pendingJobs#? problems[]",
        status=_one_of("ok", "unhealthy"),
        checks=_row(
            "queue{}",
            scheduler=_row("status uptime? memory? cpu?"),
            whatsapp_session=_row("status last_modified?"),
            scheduler_activity=_row("status"),
            storing={"type": "object", "required": ["status"]},
            backup={"type": "object", "required": ["status"]},
        ),
    ),
    "Refreshed": _row("success! message"),
}
