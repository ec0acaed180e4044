"""Groups and blocked people from the command line: each person's answer, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, Result, own
from for_each import for_each

from wa.connection import ask, requests
from wa.connection.actions import once
from wa.connection.actions.groups import KINDS
from wa.connection.context import system_now
from wa.record.groups import outcomes
from wa.store.database import Row, Store
from wa.whatsapp.loopback.lines import ACCOUNT
from wa.whatsapp.loopback.server import Loopback

EVE, EVE_JID = "447700900789", "447700900789@s.whatsapp.net"
SOME_GROUP = "1203630000000000001@g.us"
LINK = "https://chat.whatsapp.com/"
Wa = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_spacing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second between two actions."""
    monkeypatch.setattr(once, "SPACING", timedelta())


@pytest.fixture
def ok(wa: Wa) -> Callable[..., Any]:
    """Run a command that must succeed; return the JSON that it prints."""

    def run(*args: str) -> Any:
        done = wa(*args, "--json")
        assert done.code == 0, (args, done)
        return done.json

    return run


@pytest.fixture
def family(ok: Callable[..., Any]) -> str:
    """A group of ours with Reem, and Adam as an admin; its JID."""
    group = ok("groups", "create", "Family", REEM, ADAM)["id"]
    ok("groups", "promote", group, ADAM)
    return str(group)


@pytest.fixture
def server(home) -> Any:
    """The stand-in for WhatsApp."""
    found = Loopback(home)
    yield found
    found.close()


def roles(row: Row) -> dict[str, str]:
    """Return the members of a group and their roles."""
    return {each["member_jid"]: each["role"] for each in row["members"]}


def there(server: Loopback, group: str) -> dict[str, str]:
    """Return the members of a group at the stand-in."""
    return next(dict(each.members or ()) for each in server.groups() if each.jid == group)


def asked(store: Store) -> list[str]:
    """Return the kinds of all requests for an action, whatever became of them."""
    return [
        row["kind"] for row in store.rows("SELECT kind FROM requests WHERE kind NOT IN ('groups', 'blocked')")
    ]


def results(row: Row) -> list[tuple[Any, ...]]:
    """Return what became of each person."""
    return [(each["jid"], each["done"], each["error"], each["why"]) for each in row["results"]]


# ── What is done ────────────────────────────────────────────────────────────────────────────────────


def test_a_new_group_is_there_at_once_with_its_name_and_members(ok, wa, server, store):
    wa("contacts", "add", "Reem Haddad", REEM, "--alias", "Sister")
    wa("loopback", "fault", "not-on-whatsapp", EVE)
    made = ok("groups", "create", "  Garden   party ", "sister", f"+{ADAM}", EVE_JID, "me")
    everybody = {ACCOUNT.jid: "superadmin", REEM_JID: "member", ADAM_JID: "member"}
    assert (made["name"], made["is_group"], made["left_at"]) == ("Garden party", True, None)
    assert roles(made) == everybody == there(server, made["id"])
    assert results(made) == [
        (REEM_JID, True, None, None), (ADAM_JID, True, None, None),
        (EVE_JID, False, 404, "is not on WhatsApp"),
    ]  # fmt: skip
    assert [each["name"] for each in made["results"]] == ["Reem Haddad", None, None]
    assert [row["id"] for row in ok("groups")] == [made["id"]]
    wa("send", "garden party", "Hello all")
    assert [row["to_jid"] for row in server.delivered()] == [made["id"]]
    assert asked(store) == ["group-create"]


def test_each_change_is_told_by_person_in_a_table_for_people(wa, family):
    wa("loopback", "fault", "not-on-whatsapp", EVE)
    done = wa("groups", "create", "Choir", REEM, EVE)
    assert re.fullmatch(r"made the group Choir \(120363\d+@g\.us\)\n", done.err)
    assert (done.code, done.out) == (0, f"+{REEM}\tadded\n+{EVE}\tis not on WhatsApp\n")
    for args, said in (
        (("promote", "fam", REEM), f"+{REEM}\tmade an admin\n"),
        (("demote", "fam", REEM), f"+{REEM}\tno admin any more\n"),
        (("remove", "fam", REEM, EVE), f"+{REEM}\tremoved\n+{EVE}\tis not in the group\n"),
        (("add", "fam", REEM, ADAM), f"+{REEM}\tadded\n+{ADAM}\tis in the group already\n"),
        (("rename", "fam", "The family"), "the group is called The family now\n"),
        (("leave", "the family"), "you have left the group The family; its messages stay here\n"),
    ):
        done = wa("groups", *args)
        assert (done.code, done.out, done.err) == (0, said, ""), done
    listed = wa("groups").out
    assert f"The family\t{family}\tyou are not in it any more; +{REEM}, +{ADAM} (admin)\n" in listed


def test_on_a_terminal_the_table_has_a_heading_and_fits(wa, family):
    done = wa("groups", "add", "family", EVE, terminal=(80, 24))
    text = re.sub("\x1b\\[[0-9;]*m", "", done.out)
    assert "who" in text
    assert "what became of it" in text
    assert max(map(len, text.splitlines())) <= 80


def test_changes_show_at_whatsapp_and_here(ok, family, server):
    for args, role in (
        (("promote", family, REEM), "admin"), (("demote", family, REEM), "member"),
        (("remove", family, REEM), None), (("add", family, REEM), "member"),
    ):  # fmt: skip
        row = ok("groups", *args)
        assert results(row) == [(REEM_JID, True, None, None)]
        assert roles(row).get(REEM_JID) == there(server, family).get(REEM_JID) == role
    assert ok("groups", "rename", family, "Our family")["name"] == "Our family"
    assert [each.name for each in server.groups()] == ["Our family"]


def test_nobody_done_is_a_failure_with_its_table(wa, family):
    wa("loopback", "fault", "not-on-whatsapp", EVE)
    done = wa("groups", "add", family, EVE)
    assert (done.code, done.out) == (4, f"+{EVE}\tis not on WhatsApp\n")
    assert done.err == "error: nobody was added\nhint: the table says why\n"
    done = wa("groups", "add", family, EVE, "--json")
    assert results(done.json) == [(EVE_JID, False, 404, "is not on WhatsApp")]
    assert done.error["code"] == "recipient-not-found"


def test_an_invitation_is_made_renewed_and_taken(ok, wa, family, server):
    link = wa("groups", "invite", family).out
    assert re.fullmatch(LINK + r"\w{22}\n", link)
    assert wa("groups", "invite", family).out == link
    row = ok("groups", "invite", family, "--renew")
    assert row["id"] == family
    assert row["link"] != link.strip()
    assert wa("groups", "join", row["link"], "--json").error["code"] == "wrong-state"  # we are in it
    ok("groups", "leave", family)
    old = wa("groups", "join", link.strip(), "--json")
    assert (old.code, old.error["code"], old.error["message"]) == (
        4,
        "not-found",
        "this invitation was revoked",
    )
    code = row["link"].removeprefix(LINK)
    joined = ok("groups", "join", code)
    assert (joined["id"], joined["is_waiting"], joined["left_at"]) == (family, False, None)
    assert roles(joined)[ACCOUNT.jid] == there(server, family)[ACCOUNT.jid] == "member"
    wa("send", "family", "Back again")
    assert [row["content"] for row in server.delivered()] == ["Back again"]


@for_each("text", [LINK + "AbCdEfGhIjKlMnOpQrStUv", "chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv",
                   LINK + "AbCdEfGhIjKlMnOpQrStUv?mode=ac_t", LINK + "invite/AbCdEfGhIjKlMnOpQrStUv/",
                   " AbCdEfGhIjKlMnOpQrStUv "])  # fmt: skip
def test_an_invitation_is_read_in_every_form(text, wa, store, server):
    with server._write():
        server._db.execute("INSERT OR REPLACE INTO members VALUES (?, ?)", [SOME_GROUP, REEM_JID])
        server._db.execute("DELETE FROM members WHERE member_jid = ?", [ACCOUNT.jid])
        server._db.execute(
            "INSERT OR REPLACE INTO invitations VALUES ('AbCdEfGhIjKlMnOpQrStUv', ?, 0)", [SOME_GROUP]
        )
    done = wa("groups", "join", text)
    assert (done.code, done.out) == (0, f"joined the group {SOME_GROUP}, with 2 members\n"), done


def test_a_left_group_keeps_its_history_and_takes_nothing(ok, wa, family, store, server):
    wa("send", "family", "Hello")
    wa("loopback", "say", REEM, "Hi there", "--group", "Family", "--id", "HI")
    own(system_now, lambda: not server.incoming(0))
    left = ok("groups", "leave", "family")
    assert left["left_at"]
    assert ACCOUNT.jid not in {*roles(left), *there(server, family)}
    assert [row["content"] for row in ok("read", "family")] == ["Hello", "Hi there"]
    before = len(store.rows("SELECT id FROM scheduled_messages")), asked(store)
    for args in (
        ("send", "family", "x"), ("schedule", "add", family, "x", "--at", "tomorrow 9am"),
        ("react", "family", "HI", "👍"), ("groups", "leave", "family"), ("groups", "rename", family, "x"),
        ("groups", "add", family, EVE), ("groups", "invite", family), ("groups", "invite", family, "--renew"),
    ):  # fmt: skip
        done = wa(*args, "--json")
        assert (done.code, done.error["code"]) == (2, "wrong-state"), (args, done)
        assert done.error["message"] == "you are no longer in the group Family"
    assert (len(store.rows("SELECT id FROM scheduled_messages")), asked(store)) == before


def test_a_name_means_the_group_that_we_are_in(ok, wa, family, server):
    ok("groups", "leave", family)
    again = ok("groups", "create", "Family", REEM)["id"]
    assert again != family
    wa("send", "family", "Hello")
    assert [row["to_jid"] for row in server.delivered()] == [again]
    assert ok("groups", "add", "family", EVE)["id"] == again
    ok("groups", "create", "Family two", REEM)
    assert wa("groups", "leave", "fam", "--json").error["code"] == "ambiguous"


# ── What is refused before anything is asked ────────────────────────────────────────────────────────


MANY = [f"4477009{number:05}" for number in range(1_024)]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["create", "", REEM], "usage"),
        (["create", " \t", REEM], "usage"),
        (["create", "x" * 101, REEM], "usage"),
        (["create", "Choir"], "usage"),
        (["create", "Choir", "me"], "usage"),
        (["create", "Choir", REEM, f"+{REEM}"], "usage"),
        (["create", "Choir", "FAMILY"], "usage"),
        (["create", "Choir", "status@broadcast"], "usage"),
        (["create", "Choir", *MANY], "usage"),
        (["create", "Choir", "nobody at all"], "recipient-not-found"),
        (["rename", "FAMILY", ""], "usage"),
        (["rename", "nobody", "x"], "not-found"),
        (["rename", REEM, "x"], "not-found"),
        (["add", "FAMILY"], "usage"),
        (["add", "FAMILY", REEM, ADAM], "wrong-state"),
        (["add", "FAMILY", "me"], "wrong-state"),
        (["add", "FAMILY", EVE, EVE], "usage"),
        (["add", "1203630000000000009@g.us", EVE], "not-found"),
        (["remove", "FAMILY", "me"], "wrong-state"),
        (["remove", "FAMILY", EVE, "me"], "wrong-state"),
        (["remove", "FAMILY", EVE], "wrong-state"),
        (["promote", "FAMILY", ADAM], "wrong-state"),
        (["promote", "FAMILY", "me"], "wrong-state"),
        (["promote", "FAMILY", EVE], "wrong-state"),
        (["demote", "FAMILY", REEM], "wrong-state"),
        (["leave", "nobody"], "not-found"),
        (["join", "x"], "usage"),
        (["join", "https://example.com/AbCdEfGhIjKlMnOpQrStUv"], "usage"),
        (["join", "AbCdEfGhIjKlMnOp QrStUv"], "usage"),
    ],
)
def test_what_makes_no_sense_is_not_asked(wa, family, store, args, code):
    before = asked(store)
    done = wa("groups", *[family if each == "FAMILY" else each for each in args], "--json")
    assert (done.out, done.error["code"]) == ("", code), done
    assert asked(store) == before


def test_who_is_no_admin_does_not_ask_for_what_needs_one(ok, wa, store, server):
    wa("loopback", "say", REEM, "Hello", "--group", "Work")
    own(system_now, lambda: not server.incoming(0) and "groups_at" in store.state())
    for args in (["remove", "work", REEM], ["promote", "work", REEM], ["invite", "work", "--renew"]):
        done = wa("groups", *args, "--json")
        assert (done.code, done.error["code"]) == (2, "wrong-state"), done
        assert done.error["message"] == "only an admin of Work can do that, and you are none"
    assert asked(store) == []
    assert (
        wa("groups", "invite", "work", "--json").error["message"] == "only an admin of the group can do that"
    )
    assert results(ok("groups", "add", "work", ADAM)) == [(ADAM_JID, True, None, None)]


@for_each("args", [["me"], ["FAMILY"], ["status@broadcast"], ["123@newsletter"]])
def test_only_other_people_are_blocked(args, wa, home, store):
    family = "1203630000000000001@g.us"
    for command in ("block", "unblock"):
        done = wa(command, *[family if each == "FAMILY" else each for each in args], "--json")
        assert (done.code, done.out, done.error["code"]) == (2, "", "usage"), done
    assert asked(store) == []


def test_while_sending_is_paused_nothing_is_changed(wa, family, store, server):
    wa("pause")
    before = asked(store)
    for args in (["groups", "leave", family], ["groups", "create", "Choir", REEM], ["block", REEM]):
        done = wa(*args, "--json")
        assert (done.code, done.error["code"]) == (2, "wrong-state"), done
    assert asked(store) == before
    assert ACCOUNT.jid in there(server, family)


def test_a_read_only_wa_lists_groups_and_changes_none(wa, family):
    assert wa("--read-only", "groups", "--json").json[0]["id"] == family
    for args in (
        ["groups", "leave", family],
        ["groups", "--refresh"],
        ["block", REEM],
        ["block"],
        ["unblock", REEM],
    ):
        done = wa("--read-only", *args, "--json")
        assert (done.code, done.error["code"]) == (2, "usage"), done


# ── What WhatsApp refuses, and what nobody knows ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "kind", "exit_code", "code"),
    [
        (403, "rename", 2, "wrong-state"),
        (404, "leave", 4, "not-found"),
        (406, "rename", 2, "usage"),
        (419, "add", 5, "send-failed"),
        (499, "add", 5, "send-failed"),
        (429, "add", 5, "rate-limit-exceeded"),
        (500, "rename", 6, "unknown-outcome"),
    ],
)
def test_a_refusal_is_told_in_words(wa, family, server, store, status, kind, exit_code, code):
    args = {"rename": ["New"], "leave": [], "add": [EVE]}[kind]
    wa("loopback", "fault", "refuse", str(status))
    done = wa("groups", kind, family, *args, "--json")
    assert (done.code, done.error["code"], done.out) == (exit_code, code, "")
    assert (str(status) in done.error["message"]) == (status in (499, 429, 500))
    assert store.value("SELECT name FROM chats WHERE id = ?", [family]) == "Family"
    assert ACCOUNT.jid in there(server, family)


def test_a_lost_answer_is_unknown_and_the_next_look_says_what_is_so(wa, ok, family, server, store):
    wa("loopback", "fault", "ack-timeout", "0.05")
    wa("loopback", "fault", "ack-lost", "on")
    done = wa("groups", "create", "Choir", REEM, "--json")
    assert (done.code, done.error["code"]) == (6, "unknown-outcome")
    assert done.error["hint"] == "`wa groups` asks WhatsApp how it is now"
    assert wa("groups", "leave", family, "--json").error["code"] == "unknown-outcome"
    wa("loopback", "reset")
    found = {row["name"]: row["left_at"] for row in ok("groups")}
    assert (set(found), found["Choir"]) == ({"Choir", "Family"}, None)
    assert found["Family"]
    assert sorted(each.name for each in server.groups()) == ["Choir", "Family"]
    kinds = store.rows(
        "SELECT status FROM requests WHERE kind IN ('group-create', 'group-leave') ORDER BY id"
    )
    assert [row["status"] for row in kinds] == ["done", "unknown", "unknown"]
    assert ok("status")["unknown_changes"] == 2


def test_a_refusal_makes_the_next_look_ask(wa, ok, family, server):
    with server._write():  # somebody else has removed us, and we were not told
        server._db.execute("DELETE FROM members WHERE member_jid = ?", [ACCOUNT.jid])
    assert wa("groups", "rename", family, "New", "--json").error["code"] == "wrong-state"
    assert ok("groups")[0]["left_at"]


def test_refresh_asks_at_once(wa, ok, family, server):
    with server._write():
        server._db.execute("UPDATE groups SET name = 'Renamed elsewhere'")
    assert ok("groups")[0]["name"] == "Family"
    assert ok("groups", "--refresh")[0]["name"] == "Renamed elsewhere"


def test_without_a_connection_nothing_is_changed_later(wa, family, server, store, monkeypatch):
    monkeypatch.setattr(requests, "LONGEST_WAIT", timedelta(seconds=0.3))
    wa("loopback", "fault", "offline", "on")
    monkeypatch.setattr(ask, "REQUEST_SECONDS", 0.3)
    for args in (["leave", family], ["--refresh"]):
        done = wa("groups", *args, "--json")
        assert (done.code, done.error["code"]) == (7, "network-error")
    wa("loopback", "reset")
    wa("listen", "--for", "0.5s")
    assert ACCOUNT.jid in there(server, family)


def test_what_is_known_wrongly_is_corrected_by_the_answers(ok, family, server, store):
    with server._write():  # Reem was removed, and Eve was added, and we were not told
        server._db.execute("DELETE FROM members WHERE member_jid = ?", [REEM_JID])
        server._db.execute("INSERT INTO members VALUES (?, ?)", [family, EVE_JID])
    row = ok("groups", "remove", family, REEM, ADAM)
    assert results(row) == [(REEM_JID, False, 404, "is not in the group"), (ADAM_JID, True, None, None)]
    assert roles(row) == {ACCOUNT.jid: "superadmin"}
    row = ok("groups", "add", family, EVE, ADAM)
    assert results(row) == [(EVE_JID, False, 409, "is in the group already"), (ADAM_JID, True, None, None)]
    assert roles(row) == there(server, family)


# ── Words, completion, blocked people ───────────────────────────────────────────────────────────────


def test_every_code_has_words_of_its_own_and_an_unknown_one_is_named(store):
    codes = [401, 403, 404, 408, 409, 419, 499, 0]
    people = {f"44770090{code:04}@s.whatsapp.net": code for code in codes}
    for kind in ("create", "add"):
        words = [row["why"] for row in outcomes.results(store, kind, [*people], people, {})]
        assert words == [
            "has blocked you", "can be added by invitation only", "is not on WhatsApp",
            "left the group a short while ago", "is in the group already", "the group is full",
            "WhatsApp refused it with error 499", "WhatsApp refused it without a reason",
        ]  # fmt: skip
    for kind in KINDS:
        for status in (401, 403, 404, 406, 409, 410, 419):
            told = outcomes.refusal(kind, status)
            assert told is None or (told.message and told.hint)


def test_people_are_blocked_listed_and_unblocked(wa, ok, store):
    wa("contacts", "add", "Reem Haddad", REEM)
    assert ok("block", "reem") == {"jid": REEM_JID, "name": "Reem Haddad", "is_blocked": True}
    assert wa("block", ADAM).out == f"+{ADAM} is blocked\n"
    assert ok("block") == [{"jid": REEM_JID, "name": "Reem Haddad"}, {"jid": ADAM_JID, "name": None}]
    assert wa("block").out == f"Reem Haddad\t+{REEM}\n+{ADAM}\t\n"
    assert wa("unblock", "reem").out == "Reem Haddad is not blocked any more\n"
    assert ok("block") == [{"jid": ADAM_JID, "name": None}]
    assert store.value("SELECT count(*) FROM chats") == 0
    wa("loopback", "fault", "not-on-whatsapp", EVE)
    assert wa("block", EVE, "--json").error["code"] == "recipient-not-found"


def test_the_shell_completes_the_names_of_groups(shell, family):
    line = {"COMP_WORDS": "wa\ngroups\nrename\nFam", "COMP_CWORD": "3"}
    assert shell(_WA_COMPLETE="complete_bash", **line).out.split() == ["Family"]


def test_a_group_of_whom_only_the_number_is_known_can_be_changed(ok, wa, server):
    with server._write():
        server._db.executemany(
            "INSERT INTO members VALUES ('1203630000000000001@g.us', ?)", [(ACCOUNT.jid,), (REEM_JID,)]
        )
    assert [row["name"] for row in ok("groups", "--refresh")] == [None]
    assert ok("groups", "rename", "1203630000000000001@g.us", "Now named")["name"] == "Now named"
    assert json.loads(wa("groups", "--json").out)[0]["name"] == "Now named"


def test_while_the_whole_list_of_members_has_not_come_whatsapp_decides_who_is_one(ok, store, family, server):
    with store.write():  # somebody joined, and the list of the others is still to come
        store.delete("group_members", "chat_jid = ? AND member_jid != ?", [family, ADAM_JID])
    row = ok("groups", "remove", family, REEM)
    assert results(row) == [(REEM_JID, True, None, None)]
    assert REEM_JID not in there(server, family)
