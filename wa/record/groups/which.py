"""Which group a word means."""

from __future__ import annotations

from wa.errors import WaError
from wa.jids import is_group
from wa.store.database import Row, Store
from wa.store.fold import fold_name


def find(store: Store, text: str) -> Row:
    """Return id and name of the group of this JID or name, or of the unique beginning of its name.

    Groups that we have left count where no other has the name. Raise WaError `not-found` or `ambiguous`.
    """
    word = text.strip()
    rows = store.rows("SELECT id, name, left_at FROM chats WHERE is_group")
    if is_group(word):
        found = [row for row in rows if row["id"] == word]
    else:
        needle = fold_name(word)
        named = [(fold_name(row["name"]), row) for row in rows if row["name"] and needle]
        found = [row for name, row in named if name == needle]
        found = found or [row for name, row in named if name.startswith(needle)]
        found = [row for row in found if row["left_at"] is None] or found
    if not found:
        raise WaError("not-found", f"there is no group {text!r}", "`wa groups` lists them")
    if len(found) > 1:
        shown = ", ".join(f"{row['name']} ({row['id']})" for row in found[:5])
        more = f" and {len(found) - 5} more" if found[5:] else ""
        raise WaError("ambiguous", f"{text!r} may be {shown}{more}", "give the whole name, or the id")
    return found[0]
