"""Search in contacts, by part of a name, alias, number, tag or note."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice

from wa.jids import jid_of_phone
from wa.people.contacts import listing, read
from wa.record.chats import named_groups
from wa.store.database import Row, Store
from wa.store.fold import fold, fold_name

_MOST_WORDS = 30
_TYPO_FROM = 5
"""The fewest letters of a word that may have a wrong one; shorter words are too much alike."""


def search(store: Store, text: str) -> list[Row]:
    """Return the contacts with `text` in a name, alias, number, tag or note, the best match first.

    Best is a field that equals the text, then one that begins with it, one that contains it, and a
    contact with every word of it somewhere; only if there is none of these, a word with one letter
    wrong. Favourites come first among equals.
    """
    needle = fold_name(text)
    if not needle:
        return []
    digits = "".join(char for char in needle if char.isdecimal())
    # Numbers are stored without the 0 of a national number, whatever the country.
    number = digits.lstrip("0") if digits and not any(char.isalpha() for char in needle) else needle
    words = needle.split()[:_MOST_WORDS]
    ranked = [
        (rank, row)
        for row in read(store, *_may_match(needle, words, number))
        if (rank := _rank(row, needle, words, number)) is not None
    ]
    if not ranked and any(len(word) >= _TYPO_FROM for word in words):
        rows = store.execute("SELECT id, name, aliases FROM contacts")
        near = [number for number, *names in rows if _is_nearly(fold_name(" ".join(names)), words)]
        return list(read(store, "WHERE c.id IN (SELECT value FROM json_each(?))", [json.dumps(near)]))
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


def _may_match(needle: str, words: list[str], number: str) -> tuple[str, list[str]]:
    """Return a condition in SQL that is true of all contacts that match, and its parameters.

    SQLite compares by itself what is ASCII; only the other texts are folded here.
    """
    if any(char in '"\\' for char in needle):  # JSON escapes these, so SQL cannot find them in a column
        return "", []
    texts = ["c.name", "c.aliases", "c.tags", "coalesce(c.notes, '')"]
    whole = " || ".join(texts)
    has_number = "c.id IN (SELECT p.contact_id FROM contact_phones p WHERE instr(p.phone, ?{0}))"
    has_digits = any(char.isdecimal() for char in needle)
    places = [*(f"instr(lower({each}), ?{{0}})" for each in texts)]
    places += [has_number] * has_digits
    places.append(f"({whole} GLOB '*[^ -~]*' AND instr(fold({whole}), ?{{0}}))")
    found = " AND ".join(f"({' OR '.join(places).format(n)})" for n in range(1, len(words) + 1))
    if not has_digits:
        return f"WHERE {found}", words
    return f"WHERE ({found}) OR {has_number.format(len(words) + 1)}", [*words, number]


def narrowed(store: Store, text: str | None, tag: str | None, *, favorites: bool) -> Iterable[Row]:
    """Return the contacts that `search` finds, or all for None; of these those with a tag, and favourites."""
    if text is None:
        return listing(store, tag, favorites=favorites)
    wanted = None if tag is None else fold(tag.strip())
    return (
        row
        for row in search(store, text)
        if (row["is_favorite"] or not favorites) and (wanted is None or wanted in map(fold, row["tags"]))
    )


def suggestions(store: Store, text: str, limit: int) -> list[Row]:
    """Return up to `limit` people and groups that a message can go to, the best match for `text` first.

    For no text, these are the contacts, favourites first. Each has jid, phone, name, aliases, is_favorite.
    """
    known = search(store, text) if fold_name(text) else read(store, "WHERE c.phone IS NOT NULL")
    people = ({**row, "jid": jid_of_phone(row["phone"])} for row in known if row["phone"])
    found = list(islice(people, limit))
    if fold_name(text) and len(found) < limit:
        groups = named_groups(store, text, limit - len(found))
        found += [{**row, "phone": None, "aliases": [], "is_favorite": False} for row in groups]
    return found


def _rank(row: Row, needle: str, words: list[str], number: str) -> int | None:
    texts = [fold_name(each) for each in (row["name"], *row["aliases"], *row["tags"], row["notes"] or "")]
    phones = [each["phone"] for each in row["phones"]]
    if needle in texts or number in phones:
        return 0
    if any(each.startswith(needle) for each in texts) or any(each.startswith(number) for each in phones):
        return 1
    if any(needle in each for each in texts) or any(number in each for each in phones):
        return 2
    return 3 if all(any(word in each for each in (*texts, *phones)) for word in words) else None


def _is_nearly(text: str, words: list[str]) -> bool:
    names = re.findall(r"\w+", text)
    return all(
        word in text or (len(word) >= _TYPO_FROM and any(_one_off(word, name) for name in names))
        for word in words
    )


def _one_off(one: str, other: str) -> bool:
    """Return whether two words differ by one wrong, missing or extra letter, or by two swapped ones."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[1::-1] == b[:2] and a[2:] == b[2:])
