"""A contact's name is shown in place of the number or hidden id, and every command accepts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import spooled
from conftest import ADAM, ADAM_JID, REEM, REEM_JID, FakeClock, delivered, wait_for
from vcard_cases import Wa

from wa.store.database import Store
from wa.store.paths import Home
from wa.values import replace
from wa.whatsapp.events import GroupInfo, JidMapped, MessageReceived, Reacted
from wa.whatsapp.loopback.server import Loopback

NOW = FakeClock()()
AT = 1_795_000_000
LID = "100000000000123@lid"
GROUP = "1203630000000000001@g.us"
SECOND = "447700900789"
SECOND_JID = f"{SECOND}@s.whatsapp.net"
PUSH = "Reemy ♥"
NAME = "Auntie Reem"

Put = Callable[..., None]


@pytest.fixture
def put(store: Store) -> Put:
    """Apply events through the spool, as the owner does."""
    return spooled.putter(store, NOW)


def says(jid: str, message_id: str, text: str = "hello", **fields: Any) -> MessageReceived:
    """Return a message in a chat of two."""
    return replace(MessageReceived(jid, message_id, jid, AT, text), **fields)


@pytest.fixture
def talk(put: Put) -> None:
    """Reem writes in her own chat and in a group; her push name is not known yet."""
    put(
        GroupInfo(GROUP, "Family", ((REEM_JID, "admin"), (ADAM_JID, "member"))),
        says(REEM_JID, "A"),
        says(REEM_JID, "B", "hello all", chat_jid=GROUP, timestamp=AT + 1),
        Reacted(GROUP, "B", ADAM_JID, "👍", AT + 2),
    )


@pytest.fixture
def server(home: Home) -> Iterator[Loopback]:
    """The server's side of the stand-in."""
    home.prepare()
    opened = Loopback(home)
    yield opened
    opened.close()


@pytest.fixture
def do(wa: Wa) -> Any:
    """Run a command that succeeds; return its JSON."""

    def run(*args: str, code: int = 0) -> Any:
        result = wa(*args, "--json")
        assert result.code == code, (args, result.out, result.err)
        return result.json

    return run


def chat_names(do: Any) -> dict[str, Any]:
    """Return the names that each command shows for the person of the chat and the sender in the group."""
    by_id = {row["id"]: row["name"] for row in do("chats")}
    (alone,) = do("search", "hello", "--chat", REEM_JID)
    in_group = do("read", GROUP)[0]
    found = next(row for row in do("search", "hello all"))
    return {
        "chats": by_id[REEM_JID],
        "unread": next(row["name"] for row in do("unread") if row["id"] == REEM_JID),
        "read, chat": do("read", REEM)[0]["chat_name"],
        "read, sender": do("read", REEM)[0]["sender_name"],
        "read, group": in_group["sender_name"],
        "search, chat": alone["chat_name"],
        "search, sender": found["sender_name"],
        "members": next(
            each["name"] for each in do("groups")[0]["members"] if each["member_jid"] in (REEM_JID, LID)
        ),
    }


def chat_texts(wa: Wa) -> dict[str, str]:
    """Return the same output as text for people."""
    return {
        "chats": wa("chats").out,
        "unread": wa("unread").out,
        "read": wa("read", REEM).out,
        "read, group": wa("read", GROUP).out,
        "search": wa("search", "hello all").out,
        "members": wa("groups").out,
    }


# ── Received ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("talk")
def test_a_name_is_shown_in_place_of_the_number(wa: Wa, do: Any) -> None:
    assert set(chat_names(do).values()) == {None}
    for what, text in chat_texts(wa).items():
        assert f"+{REEM}" in text, what
    do("contacts", "add", NAME, REEM)
    assert set(chat_names(do).values()) == {NAME}
    for what, text in chat_texts(wa).items():
        assert NAME in text, what
        assert REEM not in text, what


@pytest.mark.usefixtures("talk")
def test_a_new_name_is_shown_everywhere_at_once(wa: Wa, do: Any) -> None:
    do("contacts", "add", NAME, REEM)
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    assert set(chat_names(do).values()) == {"Reem Haddad"}
    for what, text in chat_texts(wa).items():
        assert "Reem Haddad" in text, what
        assert NAME not in text, what


@pytest.mark.usefixtures("talk")
def test_without_the_contact_the_number_is_shown_again(wa: Wa, do: Any) -> None:
    do("contacts", "add", NAME, REEM)
    do("contacts", "remove", NAME)
    assert set(chat_names(do).values()) == {None}
    for what, text in chat_texts(wa).items():
        assert f"+{REEM}" in text, what


def test_without_the_contact_the_push_name_is_shown_again(wa: Wa, do: Any, put: Put, talk: None) -> None:
    put(says(REEM_JID, "C", push_name=PUSH))
    do("contacts", "add", NAME, REEM)
    assert set(chat_names_of_many(do)) == {NAME}
    do("contacts", "remove", NAME)
    assert set(chat_names_of_many(do)) == {PUSH}


def chat_names_of_many(do: Any) -> list[str]:
    """Return the names of Reem's chat in every list, where the chat has more than one message."""
    return [
        *(row["name"] for row in do("chats") if row["id"] == REEM_JID),
        *(row["name"] for row in do("unread") if row["id"] == REEM_JID),
        *(row["chat_name"] for row in do("read", REEM)),
        *(row["sender_name"] for row in do("search", "hello")),
        *(each["name"] for each in do("groups")[0]["members"] if each["member_jid"] == REEM_JID),
    ]


@pytest.mark.usefixtures("talk")
def test_every_number_of_a_person_shows_the_name(do: Any, put: Put) -> None:
    put(says(SECOND_JID, "D", "from the other phone"))
    do("contacts", "add", NAME, ADAM, REEM, SECOND)
    assert set(chat_names(do).values()) == {NAME}
    assert {row["name"] for row in do("chats")} == {NAME, "Family"}
    assert {each["name"] for each in do("groups")[0]["members"]} == {NAME}
    do("contacts", "edit", NAME, "--remove-phone", SECOND)
    assert {row["name"] for row in do("chats")} == {NAME, "Family", None}


@pytest.mark.usefixtures("talk")
def test_a_merge_is_shown_everywhere(do: Any) -> None:
    do("contacts", "add", "R. H.", REEM)
    do("contacts", "add", NAME, SECOND)
    assert set(chat_names(do).values()) == {"R. H."}
    do("contacts", "merge", NAME, "R. H.")
    assert set(chat_names(do).values()) == {NAME}


@pytest.mark.usefixtures("talk")
def test_an_import_is_shown_everywhere(wa: Wa, do: Any) -> None:
    card = f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{NAME}\r\nTEL:+{REEM}\r\nEND:VCARD\r\n"
    assert wa("contacts", "import-vcf", "-", stdin=card).code == 0
    assert set(chat_names(do).values()) == {NAME}


def test_listen_shows_the_name(wa: Wa, do: Any, talk: None, put: Put) -> None:
    put(says(LID, "L", "from a hidden id", chat_jid=GROUP), JidMapped(LID, REEM_JID))
    do("contacts", "add", NAME, REEM)
    shown = wa("listen", "--since", "0", "--for", "1s").out
    assert shown.count(NAME) == 3
    assert REEM not in shown
    assert LID not in shown
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    lines = wa("listen", "--since", "0", "--for", "1s", "--json").out.splitlines()
    rows = [row for line in lines if "event" not in (row := json.loads(line))]
    assert [row["sender_name"] for row in rows] == ["Reem Haddad"] * 3
    assert rows[0]["chat_name"] == "Reem Haddad"


# ── Hidden ids ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hidden(put: Put, store: Store) -> None:
    """Messages of Reem under a hidden id whose number became known only later."""
    put(
        GroupInfo(GROUP, "Family", ((LID, "admin"), (ADAM_JID, "member"))),
        says(LID, "A"),
        says(LID, "B", "hello all", chat_jid=GROUP, timestamp=AT + 1),
    )
    with store.write():
        store.execute("INSERT INTO jid_aliases VALUES (?, ?)", [LID, REEM_JID])


@pytest.mark.usefixtures("hidden")
def test_a_hidden_id_has_the_name_of_its_number(wa: Wa, do: Any) -> None:
    def names() -> list[Any]:
        return [
            *(row["name"] for row in do("chats") if row["id"] == LID),
            *(row["name"] for row in do("unread") if row["id"] == LID),
            do("read", GROUP)[0]["sender_name"],
            *(row["sender_name"] for row in do("search", "hello")),
            *(each["name"] for each in do("groups")[0]["members"] if each["member_jid"] == LID),
        ]

    assert set(names()) == {None}
    do("contacts", "add", NAME, REEM)
    assert names() == [NAME] * 6
    for command in (["chats"], ["unread"], ["read", GROUP], ["search", "hello"], ["groups"]):
        text = wa(*command).out
        assert NAME in text, command
        assert f"{LID}\t" not in text.replace(f"{GROUP}\t", ""), command
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    assert set(names()) == {"Reem Haddad"}
    do("contacts", "remove", "Reem Haddad")
    assert set(names()) == {None}


def test_a_hidden_id_mapped_later_has_the_name_of_its_number(do: Any, put: Put) -> None:
    do("contacts", "add", NAME, REEM)
    put(says(LID, "A"), says(LID, "B", "hello all", chat_jid=GROUP))
    assert NAME not in [row["name"] for row in do("chats")]
    put(JidMapped(LID, REEM_JID))
    (chat,) = [row for row in do("chats") if not row["is_group"]]
    assert (chat["id"], chat["name"]) == (REEM_JID, NAME)
    assert {row["sender_name"] for row in do("search", "hello")} == {NAME}


def test_a_hidden_id_from_loopback_has_the_name_of_its_number(wa: Wa, do: Any, server: Loopback) -> None:
    do("contacts", "add", NAME, REEM, "--alias", "Sister")
    server.say([{"from": LID, "phone": REEM, "text": "hello", "group": "Family", "id": "A"}], NOW)
    shown = wait_for(lambda: wa("listen", "--for", "1s").out)
    assert NAME in shown
    assert LID not in shown
    assert NAME in [each["name"] for each in do("groups")[0]["members"]]
    assert [row["message_id"] for row in do("search", "hello", "--from", "sister")] == ["A"]


@pytest.mark.usefixtures("hidden")
def test_a_message_to_a_hidden_id_names_the_person(wa: Wa, do: Any) -> None:
    do("contacts", "add", NAME, REEM)
    row = do("schedule", "add", LID, "Hello", "--at", "in 1 hour")
    assert row["contact_name"] == NAME
    assert NAME in wa("schedule", "list").out


# ── The queue ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def queued(do: Any) -> dict[str, Any]:
    """A message for later, queued while Reem was only a number."""
    row: dict[str, Any] = do("schedule", "add", REEM, "Hello", "--at", "in 1 hour")
    assert row["contact_name"] is None
    return row


def test_the_queue_shows_the_name(wa: Wa, do: Any, queued: dict[str, Any]) -> None:
    do("contacts", "add", NAME, REEM)
    for name in (NAME, "Reem Haddad"):
        assert do("schedule", "list")[0]["contact_name"] == name
        assert do("schedule", "show", queued["id"])["contact_name"] == name
        assert name in wa("schedule", "list").out
        assert name in wa("schedule", "show", queued["id"]).out
        edited = do("schedule", "edit", queued["id"], "--text", f"Hello {name}")
        assert edited["contact_name"] == name
        if name == NAME:
            do("contacts", "edit", NAME, "--name", "Reem Haddad")
    result = wa("schedule", "cancel", queued["id"])
    assert "Reem Haddad" in result.out
    assert NAME not in result.out
    assert do("schedule", "list", "--status", "all")[0]["contact_name"] == "Reem Haddad"


@pytest.mark.usefixtures("queued")
def test_the_queue_shows_the_name_at_queueing_when_the_contact_is_gone(wa: Wa, do: Any) -> None:
    do("contacts", "add", NAME, REEM)
    row = do("schedule", "add", NAME, "Hello again", "--at", "in 2 hours")
    do("contacts", "remove", NAME)
    assert do("schedule", "show", row["id"])["contact_name"] == NAME
    assert f"{NAME} ({REEM}@s.whatsapp.net)" in wa("schedule", "show", row["id"]).out


def test_the_queue_prefers_the_name_at_queueing_to_the_push_name(wa: Wa, do: Any, put: Put) -> None:
    put(says(REEM_JID, "A", push_name=PUSH))
    do("contacts", "add", NAME, REEM)
    row = do("schedule", "add", NAME, "Hello", "--at", "in 2 hours")
    do("contacts", "remove", NAME)
    assert NAME in wa("schedule", "show", row["id"]).out
    other = do("schedule", "add", REEM, "Hello", "--at", "in 2 hours")
    assert PUSH in wa("schedule", "show", other["id"]).out


def test_the_queue_shows_the_name_of_a_group(wa: Wa, do: Any, talk: None) -> None:
    row = do("schedule", "add", "family", "Hello all", "--at", "in 1 hour")
    assert (row["to_jid"], row["contact_name"]) == (GROUP, "Family")
    assert "Family" in wa("schedule", "list").out


@pytest.mark.usefixtures("talk")
def test_sending_shows_the_name(wa: Wa, do: Any, home: Home) -> None:
    do("contacts", "add", NAME, REEM)
    result = wa("send", REEM, "Hello")
    assert result.code == 0
    assert NAME in result.out
    row = do("send", REEM, "Hello again")
    assert row["contact_name"] == NAME
    assert NAME in wa("send", REEM, "Later", "--no-wait").out
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    assert {each["contact_name"] for each in do("schedule", "list", "--status", "all")} == {"Reem Haddad"}
    assert {each["chat_name"] for each in do("read", "reem haddad")} == {"Reem Haddad"}


def test_a_retry_shows_the_new_name(wa: Wa, do: Any, server: Loopback) -> None:
    do("contacts", "add", NAME, REEM)
    server.set_fault("refuse", "463")
    assert wa("send", NAME, "Hello").code == 5
    server.reset()
    (row,) = do("schedule", "list", "--status", "failed")
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    result = wa("schedule", "retry", row["id"])
    assert (result.code, "Reem Haddad" in result.out, NAME in result.out) == (0, True, False)


def test_the_scheduler_prints_the_new_name(wa: Wa, do: Any, server: Loopback) -> None:
    clock = FakeClock()
    wa("contacts", "add", NAME, REEM)
    assert wa("schedule", "add", NAME, "Hello", "--at", "in 1 hour", now=clock).code == 0
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    clock.advance(hours=1)
    result = wa("run-scheduler", "--once", now=clock)
    assert result.code == 0, result.err
    assert NAME not in result.err + result.out
    assert do("schedule", "list", "--status", "sent")[0]["contact_name"] == "Reem Haddad"


def test_resolving_shows_the_new_name(wa: Wa, do: Any, server: Loopback) -> None:
    do("contacts", "add", NAME, REEM)
    for fault in (("receipts", "off"), ("ack-lost", "on"), ("ack-timeout", "0.05")):
        server.set_fault(*fault)
    assert wa("send", NAME, "Hello").code == 6
    do("contacts", "edit", NAME, "--name", "Reem Haddad")
    (row,) = do("schedule", "list", "--status", "unknown")
    assert row["contact_name"] == "Reem Haddad"
    result = wa("schedule", "resolve", row["id"], "sent")
    assert (result.code, "Reem Haddad" in result.out) == (0, True)


def test_loopback_delivered_shows_names_too(wa: Wa, do: Any) -> None:
    do("contacts", "add", NAME, REEM)
    do("send", NAME, "Hello")
    assert wa("loopback", "delivered").code == 0
    assert wa("status").code == 0


# ── TO and CHAT ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def named(do: Any, talk: None) -> None:
    """Reem with two numbers, Adam of the group, and Zoë without a number."""
    do("contacts", "add", "Réem Haddad", REEM, SECOND, "--alias", "Sister", "--alias", "Ma Sœur")
    do("contacts", "add", "Adam", ADAM)
    do("contacts", "add", "Zoë Example")


WHO = ["Réem Haddad", "reem haddad", "REEM", "ree", "sister", "SIS", "ma sœur", "ma", REEM, f"+{REEM}"]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("who", WHO)
def test_any_name_of_a_person_is_accepted(do: Any, who: str) -> None:
    assert do("schedule", "add", who, "Hello", "--at", "in 1 hour")["to_jid"] == REEM_JID
    assert {row["chat_jid"] for row in do("read", who)} == {REEM_JID}
    assert [row["message_id"] for row in do("search", "hello", "--chat", who)] == ["A"]
    assert {row["message_id"] for row in do("search", "hello", "--from", who)} == {"A", "B"}


@pytest.mark.usefixtures("named")
def test_a_message_is_sent_to_the_main_number(wa: Wa, do: Any, home: Home) -> None:
    assert do("send", "sister", "one")["to_jid"] == REEM_JID
    do("contacts", "edit", "sister", "--phone", SECOND)
    assert do("send", "sister", "two")["to_jid"] == SECOND_JID
    assert do("send", REEM, "three")["to_jid"] == REEM_JID
    assert delivered(home) == ["one", "two", "three"]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("who", ["Family", "family", "FAM", "fámily", GROUP])
def test_the_name_of_a_group_is_accepted(do: Any, who: str) -> None:
    assert do("schedule", "add", who, "Hello", "--at", "in 1 hour")["to_jid"] == GROUP
    assert {row["chat_jid"] for row in do("read", who)} == {GROUP}
    assert [row["message_id"] for row in do("search", "hello", "--chat", who)] == ["B"]


AMBIGUOUS = [
    ["send", "re", "Hello"],
    ["schedule", "add", "re", "Hello", "--at", "in 1 hour"],
    ["read", "re"],
    ["search", "hello", "--chat", "re"],
    ["search", "hello", "--from", "re"],
    ["loopback", "say", "re", "Hello"],
]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("command", AMBIGUOUS, ids=lambda command: " ".join(command[:2]))
def test_an_ambiguous_name_lists_the_matches(wa: Wa, do: Any, home: Home, command: list[str]) -> None:
    do("contacts", "add", "Rebecca", "12025550199")
    result = wa(*command, "--json")
    assert (result.code, result.out, result.error["code"]) == (4, "", "ambiguous")
    assert "Réem Haddad" in result.error["message"]
    assert "Rebecca" in result.error["message"]
    assert delivered(home) == []


@pytest.mark.usefixtures("named")
def test_a_contact_comes_before_a_group_of_the_same_name(wa: Wa, do: Any, store: Store) -> None:
    """A stranger may name a group after anybody, also after somebody in the phone's address book."""
    assert do("send", "family", "to the group", "--no-wait")["to_jid"] == GROUP
    with store.write():
        sql = "INSERT INTO push_names (jid, name, saved_name) VALUES (?, 'F', 'Family')"
        store.execute(sql, ["12025550188@s.whatsapp.net"])
    assert do("send", "family", "to the one saved on the phone", "--no-wait")["to_phone"] == "12025550188"
    do("contacts", "add", "FAMILY", "12025550199")
    assert do("send", "family", "to the contact", "--no-wait")["to_phone"] == "12025550199"
    do("contacts", "add", "Fam Doe", "12025550177")
    result = wa("send", "fam", "Hello", "--json")
    assert (result.code, result.error["code"]) == (4, "ambiguous")
    assert GROUP in result.error["message"]


@pytest.mark.usefixtures("named")
def test_a_contact_without_a_number_comes_before_a_group_of_its_name(wa: Wa, do: Any) -> None:
    do("contacts", "add", "Family")
    result = wa("send", "family", "Hello", "--json")
    assert (result.code, result.error["code"]) == (4, "recipient-not-found")
    assert "no number is known for Family" in result.error["message"]


@pytest.mark.usefixtures("named")
def test_an_alias_of_two_people_is_ambiguous_and_both_are_listed(wa: Wa, do: Any) -> None:
    do("contacts", "alias", "adam", "Sister", "--force")
    result = wa("send", "sister", "Hello", "--json")
    assert (result.code, result.error["code"]) == (4, "ambiguous")
    assert "Adam" in result.error["message"]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    "command",
    [
        ["send", "zoe", "Hello"],
        ["send", "Zoë Example", "Hello"],
        ["schedule", "add", "zoe", "Hello", "--at", "in 1 hour"],
        ["loopback", "say", "zoe", "Hello"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_message_to_a_contact_without_a_number_is_refused(
    wa: Wa, do: Any, home: Home, command: list[str]
) -> None:
    result = wa(*command, "--json")
    assert (result.code, result.out) == (4, "")
    assert "number" in result.error["message"]
    assert "Zoë Example" in result.error["message"]
    assert do("schedule", "list", "--status", "all") == []
    assert delivered(home) == []


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    "command", [["read", "zoe"], ["search", "x", "--chat", "zoe"], ["search", "x", "--from", "zoe"]]
)
def test_a_contact_without_a_number_has_no_messages(wa: Wa, command: list[str]) -> None:
    result = wa(*command, "--json")
    assert (result.code, result.out) == (4, "")
    assert result.error["code"] in ("not-found", "recipient-not-found")


def test_a_contact_without_a_number_does_not_hide_one_with_a_number(do: Any) -> None:
    do("contacts", "add", "Reem", REEM)
    do("contacts", "add", "Reema")
    assert do("schedule", "add", "reem", "Hello", "--at", "in 1 hour")["to_jid"] == REEM_JID


@pytest.mark.parametrize("options", [[], ["--alias", "An"]])
def test_no_other_contact_gets_a_message_for_a_contact_without_a_number(
    wa: Wa, do: Any, home: Home, options: list[str]
) -> None:
    """A text that is a contact's whole name does not mean a contact whose name begins with it."""
    do("contacts", "add", "Ann", *options)
    do("contacts", "add", "Anna", REEM)
    for name in ("Ann", *options[1:]):
        for command in (["send", name, "Hello"], ["schedule", "add", name, "Hello", "--at", "in 1 hour"]):
            result = wa(*command, "--json")
            assert result.code == 4, command
            assert "number" in result.error["message"]
    assert delivered(home) == []


@pytest.mark.usefixtures("named")
def test_a_removed_name_is_not_found(wa: Wa, do: Any) -> None:
    do("contacts", "alias", "reem", "Sister", "--remove")
    result = wa("send", "sister", "Hello", "--json")
    assert (result.code, result.error["code"]) == (4, "recipient-not-found")
    do("contacts", "edit", "reem", "--name", "Leila")
    assert wa("send", "réem haddad", "Hello", "--json").code == 4
    assert do("send", "leila", "Hello")["to_jid"] == REEM_JID


@pytest.mark.usefixtures("named")
def test_the_zone_of_a_contact_is_used(do: Any) -> None:
    do("contacts", "edit", "sister", "--tz", "Asia/Kolkata")
    for who in ("sister", REEM, SECOND):
        row = do("schedule", "add", who, "Hello", "--at", "tomorrow 9am", "--tz", "contact")
        assert row["timezone"] == "Asia/Kolkata"
