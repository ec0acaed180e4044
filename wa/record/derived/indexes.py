"""Indexes of tables with damaged pages: told from damage in the tables themselves, and made anew."""

from __future__ import annotations

import re
import sqlite3

from wa.store.database import Store
from wa.store.schema.steps import SEARCH_INDEXES

_AGREES = re.compile(r"row \d+ missing from index |wrong # of entries in index |Page \d+ is never used$")
"""What says that an index is not as its table, or that pages are lost: those below a damaged one."""
_MISSING = re.compile(r"row (\d+) missing from index (\S+)$")
_PLACE = re.compile(r"(?:Tree (\d+) )?[Pp]age (\d+)\b")
"""Where `PRAGMA integrity_check` finds damage: the first page of a tree, and the page."""
_UNUSED = re.compile(r"Page \d+ is never used$")
_MOST = (1_000_000, 100, 20, 5, 1)
"""Faults that are looked for."""
_OWN = "SELECT name, rootpage, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
"""SQL for the indexes that a statement of ours makes; others belong to a table, and cannot be dropped."""


def faults(store: Store, table: str = "") -> list[str]:
    """Return what is wrong with a table and its indexes, or with the whole file; not all of it if it is much.

    Python's module loses what a check has found when that ends with an error, as it does at damaged pages,
    unless so many faults are enough.
    """
    for most in _MOST:
        found: list[str] = []
        try:
            for (text,) in store.execute(f"PRAGMA integrity_check({table or most})"):
                found += text.splitlines()
        except sqlite3.DatabaseError as error:
            if table or most == 1:
                return [str(error)]
        else:
            break
    return [line for line in found if line != "ok" and not line.startswith("*** in database")]


def are_all(store: Store) -> bool:
    """Return whether nothing is damaged but indexes that can be made anew, and the search index."""
    own = {row["name"]: row["rootpage"] for row in store.rows(_OWN)}
    found = [line for line in faults(store) if not _AGREES.match(line)]
    places = [place for line in found if (place := _PLACE.search(line))]
    if len(places) < len(found):
        return False
    pages = _pages(store) if places else {}
    for root, page in (place.groups() for place in places):
        name = pages.get(int(page), "")
        if name not in own and not name.startswith(SEARCH_INDEXES):
            return False
        if root and name in own and int(root) != own[name]:
            return False
    return not store.rows("PRAGMA foreign_key_check")


def unlike_their_indexes(store: Store, found: list[str]) -> list[str]:
    """Return the rows, as `messages row 7`, that differ from what their indexes say: either is damaged.

    An index that lacks entries differs in their number too; it is damaged itself.
    """
    short = {line.rpartition(" ")[2] for line in found if line.startswith("wrong # of entries")}
    missing = (match.groups() for line in found if (match := _MISSING.match(line)))
    of = dict(store.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'index'").fetchall())
    rows = [f"{of[index]} row {row}" for row, index in missing if index in of and index not in short]
    return list(dict.fromkeys(rows))


def _tables(store: Store) -> list[str]:
    """Return all tables but those of the search index."""
    names = store.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    )
    return [row["name"] for row in names if not row["name"].startswith(SEARCH_INDEXES)]


def _pages(store: Store) -> dict[int, str]:
    """Return to which table or index each page belongs; nothing where SQLite cannot tell."""
    try:
        return dict(store.execute("SELECT pageno, name FROM dbstat").fetchall())
    except sqlite3.DatabaseError:
        return {}


def renew(store: Store) -> bool:
    """Make all indexes anew from their tables, without reading the old ones, in one transaction.

    Return False, and change nothing, if a table is damaged itself.
    """
    made = store.rows(_OWN)
    try:
        with store.write():
            store.execute("PRAGMA writable_schema=ON")
            store.execute("DELETE FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            store.execute("PRAGMA writable_schema=RESET")
            for index in made:
                store.execute(index["sql"])
            for table in _tables(store):
                store.execute(f"REINDEX {table}")  # those that belong to it
                if found := faults(store, table):
                    raise sqlite3.DatabaseError(found[0])  # noqa: TRY301
    except sqlite3.DatabaseError:
        return False
    finally:
        store.execute("PRAGMA writable_schema=RESET")
    return True


def reclaim(store: Store) -> None:
    """Write the file anew if pages of it are lost: those of an index that was made anew."""
    found = faults(store)
    if found and all(map(_UNUSED.match, found)):
        store.execute("VACUUM")
