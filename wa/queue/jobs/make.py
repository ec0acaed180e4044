"""Making jobs: the plan of a job to come, and its first row. Everything is checked before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from wa.errors import WaError
from wa.queue import compose, place
from wa.queue.jobs import chain, plan, sources, table
from wa.queue.jobs.people import People, Wish
from wa.queue.jobs.sources import Part
from wa.queue.retired import spent
from wa.settings import Settings
from wa.store.database import Row, Store
from wa.store.open import bind_store
from wa.store.wake import wake_owner
from wa.times import from_iso, to_iso

_BATCH = 2000
"""Recipients stored in one transaction."""
_TITLE = 50
"""The characters of the first text that stand for a title."""


def rehearse(
    store: Store, settings: Settings, wish: Wish, people: People, now: datetime
) -> tuple[Iterator[Row], plan.Clock]:
    """Return who gets what when, message by message, and the clock that knows when the job stalls."""
    pace = plan.Pace(tuple(part.delay or 0 for part in wish.parts), wish.gap, wish.max_retries, wish.grace)
    clock = plan.Clock(settings, pace, plan.sent_lately(store, settings, now))
    parts = _columns(wish.parts)
    places = ((person, part) for person in range(len(people.rows)) for part in range(len(parts)))

    def messages() -> Iterator[Row]:
        for number, part, at in plan.moments(clock, pace, wish.start or now, places):
            person = people.rows[number]
            yield {
                "recipient_index": number,
                "part_index": part,
                "to_jid": person["to_jid"],
                "contact_name": person["contact_name"],
                "scheduled_at": to_iso(at),
                "message": sources.text_for(parts[part], person),
                "file": str(wish.parts[part].file) if wish.parts[part].file else None,
            }

    return messages(), clock


def create(
    store: Store,
    settings: Settings,
    wish: Wish,
    people: People,
    now: datetime,
    *,
    created_from: str = "cli",
    hook_id: int | None = None,
) -> tuple[Row, bool]:
    """Store a job and the row of its first message, and wake the owner of the connection.

    With `hook_id`, its messages count as replies of that hook. Return the job without its recipients, and
    whether it is new: with a key that a job has, it is that one.
    Raise WaError `usage` for a key used with other recipients, parts or time, and `wrong-state` when its job
    will not go on.
    """
    if wish.key == "":
        raise WaError("usage", "the key is empty", "leave --key out, or give it a text of your own")
    if first := _first_of(store, wish, people, now):
        return first, False
    bind_store(store, settings.transport)
    parts = _with_files(store, wish.parts)
    job_id = table.new_id(store, now)
    for start in range(0, len(people.rows), _BATCH):
        with store.write():
            rows = people.rows[start : start + _BATCH]
            table.add_recipients(store, [{"job_id": job_id, **row} for row in rows])
    with store.write():
        table.drop_orphans(store, now - timedelta(days=1))
        if first := _first_of(store, wish, people, now):  # another process was first
            table.remove_recipients(store, job_id)
            return first, False
        place.keep(store, now)
        table.add(
            store,
            {
                "id": job_id,
                "title": wish.title or _title_of(parts),
                "status": "draft" if wish.draft else "pending",
                "scheduled_start_at": to_iso(wish.start or now),
                "created_at": to_iso(now),
                "created_from": created_from,
                "timezone": str(wish.zone),
                "idempotency_key": wish.key,
                "config": wish.config if hook_id is None else {**wish.config, "hookId": hook_id},
                "message_parts": parts,
                "recipients": [row["to_jid"] for row in people.rows],
            },
        )
        chain.go_on(store, job_id, now)
    wake_owner(store.home.socket)
    return table.head(store, job_id), True


def _title_of(parts: Sequence[Row]) -> str:
    return (str(parts[0]["text"]).strip() or str(parts[0].get("fileName") or ""))[:_TITLE]


def _columns(parts: Sequence[Part]) -> list[Row]:
    """Return parts as the column `message_parts` has them, without their files."""
    return [
        {
            "orderIndex": number,
            "text": part.text,
            "delayAfterSeconds": part.delay,
            **({"hasFields": True} if part.has_fields and set("{}") & set(part.text) else {}),
        }
        for number, part in enumerate(parts)
    ]


def _with_files(store: Store, parts: Sequence[Part]) -> list[Row]:
    """Return parts with their files copied into the home."""
    made = _columns(parts)
    for part, columns in zip(parts, made, strict=True):
        if part.file is not None:
            kept = compose.parts_of(store.home, part.text, [part.file])
            if len(kept) > 1:
                raise WaError("usage", "a sound cannot have a caption", "give the text as a part of its own")
            file = kept[0].file or {}
            columns.update(
                mediaPath=file["media_path"], mediaType=file["media_type"], fileName=file["file_name"]
            )
    return made


def _first_of(store: Store, wish: Wish, people: People, now: datetime) -> Row | None:
    """Return the job that has the key already. Raise WaError when it is another one, or will not go on."""
    if wish.key is None or (first := table.by_key(store, wish.key)) is None:
        return None
    spent.check_not_spent(first)
    whole = table.whole(store, first["id"])
    mine = _columns(wish.parts)
    names = ("orderIndex", "text", "delayAfterSeconds", "hasFields")
    theirs = [{name: part[name] for name in names if name in part} for part in whole["message_parts"]]
    if mine != theirs or whole["recipients"] != [row["to_jid"] for row in people.rows]:
        what = "recipients or parts"
    elif not _same_time(first, wish, now):
        what = f"time, {first['scheduled_start_at']}"
    elif first["status"] in ("failed", "cancelled"):
        raise WaError(
            "wrong-state",
            f"the key {wish.key!r} is that of {first['id']}, which is {first['status']}",
            "another key makes a new job",
        )
    else:
        return first
    raise WaError(
        "usage",
        f"the key {wish.key!r} was used for a job with other {what} ({first['id']})",
        "choose another key, or repeat the first job as it was",
    )


def _same_time(first: Row, wish: Wish, now: datetime) -> bool:
    """Return whether a job was made for the same time: "in 2 hours" is the same when it is said again."""
    if wish.start is None or wish.start == from_iso(first["scheduled_start_at"]):
        return True
    ahead = from_iso(first["scheduled_start_at"]) - from_iso(first["created_at"])
    return abs((wish.start - now) - ahead) < timedelta(seconds=1)
