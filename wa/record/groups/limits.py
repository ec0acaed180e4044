"""What may be done with a group, as far as is known here. WhatsApp decides the rest.

Each check raises WaError `wrong-state`, or `usage` for what never makes sense.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wa.errors import WaError
from wa.jids import is_group, is_person_or_group
from wa.record import chats
from wa.record.groups import members
from wa.record.groups.outcomes import ALREADY, NO_MEMBER
from wa.record.names import shown_as
from wa.store.database import Store
from wa.store.device import own_jids

LONGEST_NAME = 100
"""The most characters of a group's name."""
MOST_PEOPLE = 1_023
"""The most members of a group beside ourselves."""
_AGAIN = "`wa groups --refresh` asks WhatsApp how it is now"
_LINK = re.compile(r"(?:https?://)?chat\.whatsapp\.com/(?:invite/)?([\w-]+)/?(?:\?.*)?", re.ASCII)
_CODE = re.compile(r"[\w-]{8,64}", re.ASCII)


def checked_name(name: str) -> str:
    """Return a name for a group, without outer and repeated spaces."""
    found = " ".join(name.split())
    if not found:
        raise WaError("usage", "a group needs a name", 'wa groups create "Family" 447700900123')
    if len(found) > LONGEST_NAME:
        raise WaError("usage", f"the name has {len(found)} characters", f"at most {LONGEST_NAME}")
    return found


def checked_code(text: str) -> str:
    """Return the code in the link of an invitation, or the code itself."""
    found = _LINK.fullmatch(text.strip())
    code = found[1] if found else text.strip()
    if not _CODE.fullmatch(code):
        raise WaError("usage", f"{text!r} is no invitation", "wa groups join https://chat.whatsapp.com/CODE")
    return code


def checked_people(store: Store, people: Sequence[str]) -> list[str]:
    """Return the JIDs of people, each of whom is named once."""
    for jid in people:
        if is_group(jid) or not is_person_or_group(jid):
            raise WaError("usage", f"{shown_as(store, jid)} is no person", "name people")
        if people.count(jid) > 1:
            raise WaError("usage", f"{shown_as(store, jid)} is named twice", "name everybody once")
    if not people:
        raise WaError("usage", "nobody is named", "name at least one person")
    if len(people) > MOST_PEOPLE:
        raise WaError("usage", f"{len(people):,} people are too many", f"a group takes {MOST_PEOPLE:,} more")
    return list(people)


def others_than_us(store: Store, people: Sequence[str], me: str | None) -> list[str]:
    """Return the people without ourselves; `usage` if nobody is left."""
    others = [jid for jid in people if jid not in {me, *own_jids(store)}]
    if not others:
        raise WaError("usage", "nobody but you is named", "you are in a group that you make; name others")
    return others


def check_group(store: Store, kind: str, group: str) -> None:
    """Raise WaError unless we are in a group, and an admin where that is needed, as far as is known."""
    members.check_in(store, group)
    name = shown_as(store, group)
    needs_admin = kind in ("remove", "promote", "demote", "renew")
    if needs_admin and "member" in {members.role(store, group, jid) for jid in own_jids(store)}:
        raise WaError("wrong-state", f"only an admin of {name} can do that, and you are none", _AGAIN)


def sort_out(
    store: Store, kind: str, group: str, people: Sequence[str]
) -> tuple[list[str], dict[str, tuple[int, str]]]:
    """Return for whom of the people it has to be asked, and the codes and reasons of the others by JID.

    `wrong-state` if nobody is left, or if we remove ourselves.
    """
    if kind == "remove" and not own_jids(store).isdisjoint(people):
        raise WaError("wrong-state", "you cannot remove yourself from a group", "`wa groups leave` does that")
    # A list that lacks ourselves is none: somebody was added or left, and the whole list did not come yet.
    are_known = not own_jids(store).isdisjoint(chats.members(store, group))
    needless = {}
    for jid in people:
        role = members.role(store, group, jid)
        if kind == "add":
            if role is not None:
                needless[jid] = ALREADY, "is in the group already"
        elif role is None and are_known:
            needless[jid] = NO_MEMBER, "is not in the group"
        elif kind == "promote" and role in ("admin", "superadmin"):
            needless[jid] = ALREADY, "is an admin already"
        elif kind == "demote" and role == "member":
            needless[jid] = ALREADY, "is no admin"
    asked = [jid for jid in people if jid not in needless]
    if not asked:
        reasons = "; ".join(f"{shown_as(store, jid)} {why}" for jid, (_, why) in needless.items())
        raise WaError("wrong-state", reasons, _AGAIN)
    return asked, needless
