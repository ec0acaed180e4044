"""The groups of the stand-in's server, and the people whom we have blocked there.

Who may do what, and the codes of refusals, are as far as they are known those of WhatsApp.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from typing import Any

from wa.jids import is_group
from wa.whatsapp.events import GroupInfo
from wa.whatsapp.groups import GroupAction, GroupAnswer
from wa.whatsapp.ids import invitation_code
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.transport import Refused

SCHEMA = """
CREATE TABLE IF NOT EXISTS members (group_jid TEXT, member_jid TEXT, PRIMARY KEY (group_jid, member_jid));
CREATE TABLE IF NOT EXISTS groups (jid TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS admins (
    group_jid TEXT, member_jid TEXT, role TEXT NOT NULL, PRIMARY KEY (group_jid, member_jid)
);
CREATE TABLE IF NOT EXISTS invitations (
    code TEXT PRIMARY KEY, group_jid TEXT NOT NULL, is_revoked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS blocked (jid TEXT PRIMARY KEY);
"""
NOT_ALLOWED, NO_MEMBER, NOT_THERE, UNKNOWN_CODE, IS_MEMBER, REVOKED = 401, 403, 404, 406, 409, 410


def group_jid(name: str) -> str:
    """Return the JID of a group on loopback: `name` itself if it is a JID, else one made from the name."""
    if is_group(name):
        return name
    from hashlib import sha256  # a send to a number needs none

    number = int.from_bytes(sha256(name.encode()).digest()[:5], "big")
    return f"120363{number:013d}@g.us"


def listing(db: sqlite3.Connection) -> list[GroupInfo]:
    """Return all groups, those that we have left too, with their members."""
    jids = [jid for (jid,) in db.execute("SELECT jid FROM groups UNION SELECT group_jid FROM members")]
    return [info(db, jid) for jid in jids]


def info(db: sqlite3.Connection, group: str) -> GroupInfo:
    """Return a group with its members, the name None where only its JID was ever told."""
    people = db.execute(
        "SELECT m.member_jid, coalesce(a.role, 'member') FROM members m"
        " LEFT JOIN admins a USING (group_jid, member_jid) WHERE m.group_jid = ? ORDER BY m.rowid",
        [group],
    ).fetchall()
    return GroupInfo(group, _value(db, "SELECT name FROM groups WHERE jid = ?", [group]), tuple(people))


def spoken_in(db: sqlite3.Connection, group: str, speaker: str) -> GroupInfo:
    """Return the group of this name or JID, in which `speaker` has said something and we have heard it."""
    found = _value(db, "SELECT jid FROM groups WHERE name = ? ORDER BY rowid", [group])
    jid = found or group_jid(group)
    if not is_group(group):
        db.execute("INSERT OR IGNORE INTO groups VALUES (?, ?)", [jid, group])
    _join(db, jid, [ACCOUNT.jid, speaker])
    return info(db, jid)


def manage(db: sqlite3.Connection, action: GroupAction, missing: Collection[str]) -> GroupAnswer:
    """Do what is asked, in the caller's transaction. `missing` are JIDs that nobody has. Raise Refused."""
    if action.kind == "create":
        return _create(db, action, missing)
    if action.kind == "join":
        return _enter(db, action.code)
    group, me = action.group_jid, ACCOUNT.jid
    people = dict(info(db, group).members or ())
    if not people:
        raise Refused(NOT_THERE)
    if me not in people:
        raise Refused(NO_MEMBER)
    is_admin = people[me] != "member"
    if action.kind == "rename":
        db.execute("INSERT OR REPLACE INTO groups VALUES (?, ?)", [group, action.name])
    elif action.kind == "leave":
        _remove(db, group, me)
    elif action.kind in ("invite", "renew"):
        if not is_admin:
            raise Refused(NOT_ALLOWED)
        return GroupAnswer(group, code=_code(db, group, is_new=action.kind == "renew"))
    elif action.kind == "add":
        codes = {
            jid: IS_MEMBER if jid in people else NOT_THERE if jid in missing else 0 for jid in action.people
        }
        _join(db, group, [jid for jid, code in codes.items() if not code])
        return GroupAnswer(group, _refused(codes))
    else:
        if not is_admin:
            raise Refused(NO_MEMBER)
        for jid in action.people:
            _CHANGES[action.kind](db, group, jid)
        return GroupAnswer(group, _refused({jid: 0 if jid in people else NOT_THERE for jid in action.people}))
    return GroupAnswer(group)


def _create(db: sqlite3.Connection, action: GroupAction, missing: Collection[str]) -> GroupAnswer:
    """Make a group; the second of one name has another JID."""
    jid, number = group_jid(action.name), 1
    while _value(
        db,
        "SELECT 1 FROM groups WHERE jid = :jid UNION SELECT 1 FROM members WHERE group_jid = :jid",
        {"jid": jid},
    ):
        number += 1
        jid = group_jid(f"{action.name} {number}")
    db.execute("INSERT INTO groups VALUES (?, ?)", [jid, action.name])
    codes = {each: NOT_THERE if each in missing else 0 for each in action.people}
    _join(db, jid, [ACCOUNT.jid, *(each for each, code in codes.items() if not code)])
    db.execute("INSERT INTO admins VALUES (?, ?, 'superadmin')", [jid, ACCOUNT.jid])
    return GroupAnswer(jid, _refused(codes), events=(info(db, jid),))


def _enter(db: sqlite3.Connection, code: str) -> GroupAnswer:
    """Join the group of an invitation's code."""
    found = db.execute("SELECT group_jid, is_revoked FROM invitations WHERE code = ?", [code]).fetchone()
    if found is None:
        raise Refused(UNKNOWN_CODE)
    group, is_revoked = found
    if is_revoked:
        raise Refused(REVOKED)
    if ACCOUNT.jid in dict(info(db, group).members or ()):
        raise Refused(IS_MEMBER)
    _join(db, group, [ACCOUNT.jid])
    return GroupAnswer(group, events=(info(db, group),))


def _join(db: sqlite3.Connection, group: str, people: Collection[str]) -> None:
    db.executemany("INSERT OR IGNORE INTO members VALUES (?, ?)", [(group, jid) for jid in people])


def _remove(db: sqlite3.Connection, group: str, jid: str) -> None:
    db.execute("DELETE FROM members WHERE group_jid = ? AND member_jid = ?", [group, jid])
    _demote(db, group, jid)


def _promote(db: sqlite3.Connection, group: str, jid: str) -> None:
    is_member = "SELECT 1 FROM members WHERE group_jid = ?1 AND member_jid = ?2"
    db.execute(
        f"INSERT OR IGNORE INTO admins SELECT ?1, ?2, 'admin' WHERE EXISTS ({is_member})", [group, jid]
    )


def _demote(db: sqlite3.Connection, group: str, jid: str) -> None:
    db.execute("DELETE FROM admins WHERE group_jid = ? AND member_jid = ?", [group, jid])


_CHANGES: dict[str, Callable[[sqlite3.Connection, str, str], None]] = {
    "remove": _remove,
    "promote": _promote,
    "demote": _demote,
}


def _code(db: sqlite3.Connection, group: str, *, is_new: bool) -> str:
    """Return the code of a group's invitation; a new one ends the one before."""
    if is_new:
        db.execute("UPDATE invitations SET is_revoked = 1 WHERE group_jid = ?", [group])
    code = _value(db, "SELECT code FROM invitations WHERE group_jid = ? AND NOT is_revoked", [group])
    if code is None:
        code = invitation_code()
        db.execute("INSERT INTO invitations (code, group_jid) VALUES (?, ?)", [code, group])
    return str(code)


def block(db: sqlite3.Connection, jid: str, *, is_blocked: bool) -> None:
    """Block a person, or unblock; in the caller's transaction."""
    sql = "INSERT OR IGNORE INTO blocked VALUES (?)" if is_blocked else "DELETE FROM blocked WHERE jid = ?"
    db.execute(sql, [jid])


def blocked(db: sqlite3.Connection) -> list[str]:
    """Return the JIDs of the people whom we have blocked."""
    return [jid for (jid,) in db.execute("SELECT jid FROM blocked ORDER BY rowid")]


def _refused(codes: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple((jid, code) for jid, code in codes.items() if code)


def _value(db: sqlite3.Connection, sql: str, params: Any) -> Any:
    row = db.execute(sql, params).fetchone()
    return None if row is None else row[0]
