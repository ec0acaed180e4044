"""The chat of an exported file, the name in it that is ours, and the addresses of the other names.

The file's name tells the chat: `WhatsApp Chat with Nadia.txt`. Only whole names count, of contacts,
of groups, and push names. If two chats fit, the user has to choose; wa never guesses.

In a chat of two, every name that is not ours is the other person's. In a group, an unknown name gets
an address of its own, `…@unknown`, the same at every import into that group; the name is stored with it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from wa.errors import WaError
from wa.jids import is_group, jid_of_phone, phone_in, phone_of_jid
from wa.people import contacts, recipients
from wa.record.names import canonical
from wa.store.database import Store
from wa.store.device import last_account
from wa.store.fold import fold_name

NOBODY = "-"
"""The value of `me` if we wrote nothing in the chat."""
_UNKNOWN = "@unknown"
_SHOWN = 10
_NOT_IN_FILE_NAMES = str.maketrans("", "", '/\\:*?"<>|_')


class People:
    """The people and groups that are known, by name."""

    def __init__(self, store: Store, region: str | None, own_jid: str | None) -> None:
        self._store, self._region = store, region
        device = last_account(store) or {}
        self.own_jid: str | None = own_jid or device.get("jid")
        self.own_name: str = device.get("push_name") or ""
        self._contacts = recipients.directory(store)
        self._given: dict[str, set[str]] = {}
        """JIDs by names that people and groups chose, or that are in our phone's address book."""
        for jid, name in store.execute(
            "SELECT jid, name FROM push_names UNION SELECT jid, saved_name FROM push_names"
            " UNION SELECT id, name FROM chats"
        ):
            if name and not jid.endswith(_UNKNOWN):
                self._given.setdefault(fold_name(name), set()).add(canonical(store, jid))

    def with_colon(self, *more: str | None) -> list[str]:
        """Return the known names with a colon or a quotation mark in them, the longest first."""
        rows = self._store.execute(
            "SELECT name FROM contacts UNION SELECT a.value FROM contacts c, json_each(c.aliases) a"
            " UNION SELECT name FROM chats UNION SELECT name FROM push_names"
            " UNION SELECT saved_name FROM push_names"
        )
        names = {name for (name,) in rows if name} | {name for name in (*more, self.own_name) if name}
        return sorted((name for name in names if ": " in name or '"' in name), key=len, reverse=True)

    def of_contacts(self, name: str, among: Collection[str] = ()) -> set[str]:
        """Return the JIDs of the contacts with this name or, if there is none, with this alias.

        For a contact with several numbers, return the JID that is in `among`, else that of the main number.
        """
        called = [contacts.get(self._store, number) for number in self._contacts.get(fold_name(name), ())]
        people = [each for each in called if fold_name(each["name"]) == fold_name(name)] or called
        found = set()
        for person in people:
            jids = [canonical(self._store, jid_of_phone(each["phone"])) for each in person["phones"]]
            found.update([jid for jid in jids if jid in among] or jids[:1])
        return found

    def called(self, name: str, among: Collection[str] = ()) -> set[str]:
        """Return the JIDs with this number, contact name or push name; of several, those in `among`."""
        bare = bare_name(name)
        if phone := phone_in(bare, self._region):
            return {canonical(self._store, jid_of_phone(phone))}
        # The phone writes a tilde before the push name of a person who is not a contact.
        found = self.of_contacts(bare, among) if bare == name else set()
        found = found or {jid for jid in self._given.get(fold_name(bare), ()) if not is_group(jid)}
        return found & set(among) or found

    def chats(self, title: str) -> set[str]:
        """Return the chats that may have this title."""
        if phone := phone_in(title, self._region):
            return {canonical(self._store, jid_of_phone(phone))}
        given = self._given.get(fold_name(title), set())
        found = self.of_contacts(title) | {jid for jid in given if is_group(jid)} or given
        if found or not (loose := _loosely(title)):
            return found
        near = {name for name in (*self._contacts, *self._given) if _loosely(name) == loose}
        return {jid for name in near for jid in self.of_contacts(name) | self._given.get(name, set())}

    def own_among(self, names: Iterable[str]) -> set[str]:
        """Return which of these names are ours and not a contact's."""
        own_name, own = fold_name(self.own_name), {self.own_jid}
        return {
            name
            for name in names
            if self.called(name) == own
            or (own_name and fold_name(bare_name(name)) == own_name and not self.of_contacts(name) - own)
        }


def bare_name(name: str) -> str:
    """Return a name without the tilde that marks people who are not contacts of the phone."""
    return name.removeprefix("~").strip()


def _loosely(name: str) -> str:
    """Return a name without spaces and characters that a file name cannot have."""
    return "".join(fold_name(name).translate(_NOT_IN_FILE_NAMES).split())


# ── The chat ────────────────────────────────────────────────────────────────────────────────────────


def find_chat(store: Store, people: People, asked: str | None, titles: list[str], region: str | None) -> str:
    """Return the chat's JID. Raise WaError as `recipients.resolve_address` does, and `not-found`."""
    if asked is not None:
        try:
            return recipients.resolve_address(store, asked, region, people.own_jid).jid
        except WaError as error:
            if error.code != "recipient-not-found":
                raise
            return recipients.resolve_chat(store, asked, region, people.own_jid).jid
    hint = "--chat says whose it is: a name, a number with its country code, or an address"
    for title in titles:
        found = people.chats(title)
        if len(found) > 1:
            raise WaError("ambiguous", f"{title!r} may be {', '.join(sorted(found)[:5])}", hint)
        if found:
            return found.pop()
    what = (
        f"there is no chat {titles[0]!r}" if titles else "the name of the file does not say whose chat it is"
    )
    raise WaError("not-found", what, hint)


def name_of_chat(store: Store, jid: str, titles: list[str]) -> str | None:
    """Return a chat's name: that in the contacts, else its own, else that in the file's name."""
    return (
        recipients.name_for(store, jid)
        or store.value("SELECT name FROM chats WHERE id = ?", [jid])
        or store.value("SELECT name FROM push_names WHERE jid = ?", [jid])
        or next(iter(titles), None)
    )


# ── The participants ────────────────────────────────────────────────────────────────────────────────


@dataclass
class Participants:
    """The people in one chat, by their names in the file."""

    people: People
    chat: str
    me: Collection[str]
    """Our names in the file."""
    members: Collection[str] = ()
    made_up: dict[str, str] = field(default_factory=dict)
    """The names by made-up address that are not stored yet."""
    _known: dict[str, str] = field(default_factory=dict)

    def is_me(self, name: str | None) -> bool:
        """Return whether a name is ours."""
        return name in self.me

    def jid_of(self, name: str | None) -> str:
        """Return the JID behind a name; that of the chat for a notice of WhatsApp's own."""
        if name is None:
            return self.chat
        if name in self.me:
            return self.people.own_jid or "me"
        if not is_group(self.chat):
            return self.chat
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> str:
        found = self.people.called(name, self.members)
        if len(found) == 1:
            return found.pop()
        digest = hashlib.sha256(f"{self.chat}\n{fold_name(bare_name(name))}".encode()).hexdigest()
        jid = f"{digest[:16]}{_UNKNOWN}"
        self.made_up[jid] = bare_name(name)
        return jid


def identify(
    store: Store,
    people: People,
    chat: str,
    titles: list[str],
    names: Counter[str],
    asked: str | None,
    file: str,
) -> Participants:
    """Return the participants. Raise WaError `usage` if it cannot be known which name is ours."""
    members = [
        jid for (jid,) in store.execute("SELECT member_jid FROM group_members WHERE chat_jid = ?", [chat])
    ]
    if asked is not None:
        return Participants(people, chat, _asked(people, names, asked, file), members)
    shown = {_loosely(each) for each in (*titles, name_of_chat(store, chat, []) or "")} - {""}
    me = _me(people, chat, shown, names)
    if me is None:
        raise WaError(
            "usage",
            f"{file} does not say which of these people you are: {_listed(names)}",
            f"give --me NAME, or --me {NOBODY} if you wrote nothing",
        )
    return Participants(people, chat, me, members)


def _me(people: People, chat: str, shown: set[str], names: Counter[str]) -> set[str] | None:
    """Return our names in a file, an empty set if we wrote nothing, None if that cannot be known."""
    if not names or chat == people.own_jid:
        return set(names)
    own = people.own_among(names)
    if is_group(chat):
        return own or None
    them = {name for name in names if _loosely(bare_name(name)) in shown or chat in people.called(name)}
    if own:
        return own if not own & them else None
    rest = set(names) - them
    if not them or len(rest) > 1 or any(people.called(name) - {people.own_jid} for name in rest):
        return None
    return rest


def _asked(people: People, names: Counter[str], asked: str, file: str) -> set[str]:
    if asked == NOBODY or not names:
        return set()
    alike = {name for name in names if fold_name(name) == fold_name(asked)}
    alike = alike or {name for name in names if fold_name(bare_name(name)) == fold_name(bare_name(asked))}
    if not alike and phone_of_jid(next(iter(people.called(asked)), "")):
        alike = {name for name in names if people.called(name) == people.called(asked)}
    if len(alike) != 1:
        what = "several people" if alike else "nobody"
        raise WaError("usage", f"{what} in {file} may be {asked!r}", f"in it are {_listed(names)}")
    return alike


def _listed(names: Counter[str]) -> str:
    shown = [f"{name} ({count})" for name, count in names.most_common(_SHOWN)]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
