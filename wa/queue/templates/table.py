"""The table `templates`: its rows, and all writes to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue import checks, rows
from wa.queue.series import table as series
from wa.queue.templates.fields import missing, names_in
from wa.queue.templates.values import values_for
from wa.store.database import Row, Store
from wa.store.rewrites import Restore, carry_over
from wa.times import load_zone, to_iso

MOST = 60
"""The most characters of a name."""


def put(store: Store, name: str, text: str, now: datetime) -> Row:
    """Add a template, or change its text, also for the series that use it. Return its row.

    Raise WaError `usage` for a name or text that cannot be one, and as `checks.check_text` does.
    """
    if not name.strip() or len(name) > MOST or not name.isprintable():
        raise WaError("usage", f"{name!r} is no name for a template", f"take one to {MOST} letters")
    checks.check_text(text)
    names_in(text)
    name, at = name.strip(), to_iso(now)
    with store.write():
        store.execute(
            "INSERT INTO templates (name, text, created_at, updated_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET text = excluded.text, updated_at = excluded.updated_at",
            [name, text, at, at],
        )
        series.set_template_text(store, name, text, now)
        rows.set_template_text(store, name, text, now)
    return get(store, name)


@carry_over.part
def _carry_templates_over(restore: Restore) -> None:
    """Keep the templates that the backup lacks: series of the present store may use them."""
    if columns := restore.columns("templates"):
        theirs = f"SELECT {columns} FROM {restore.known}.templates"
        restore.db.execute(f"INSERT OR IGNORE INTO main.templates ({columns}) {theirs}")


def lacking(store: Store, row: Row, now: datetime) -> dict[str, list[str]]:
    """Return, by the ids of the series that use a template, the fields that they have no value for."""
    found = {}
    for each in series.by_template(store, row["name"]):
        to = Recipient(each["to_jid"], each["to_phone"], each["contact_name"])
        local = now.astimezone(load_zone(each["timezone"]))
        values = {**values_for(store, to, local), **series.fields_of(store, each["id"])}
        if absent := missing(row["fields"], values):
            found[each["id"]] = absent
    return found


def get(store: Store, name: str) -> Row:
    """Return a template. Raise WaError `not-found`."""
    row = store.row("SELECT name, text, created_at, updated_at FROM templates WHERE name = ?", [name.strip()])
    if row is None:
        raise WaError("not-found", f"there is no template {name!r}", "`wa template list` lists them")
    return {**row, "fields": sorted(names_in(row["text"]))}


def listing(store: Store) -> Iterator[Row]:
    """Yield all templates by name."""
    for (name,) in store.execute("SELECT name FROM templates ORDER BY name").fetchall():
        yield get(store, name)


def remove(store: Store, name: str) -> Row:
    """Remove a template. Raise WaError `not-found`, and `wrong-state` while a series uses it."""
    with store.write():
        row = get(store, name)
        users = [each["id"] for each in series.by_template(store, row["name"])]
        if users:
            more = f" and {len(users) - 1} more" if len(users) > 1 else ""
            raise WaError(
                "wrong-state",
                f"the template {row['name']!r} is used by the series {users[0]}{more}",
                "`wa schedule cancel` ends a series; `edit --series --text` gives it a text of its own",
            )
        store.execute("DELETE FROM templates WHERE name = ?", [row["name"]])
    return row
