"""The forms of JIDs, and the phone numbers in them."""

from __future__ import annotations

import pytest
from for_each import for_each

from wa.errors import WaError
from wa.jids import (
    is_apart,
    is_group,
    is_lid,
    jid_of_phone,
    parse_address,
    parse_jid,
    phone_in,
    phone_of_jid,
    show_jid,
)
from wa.whatsapp.neonize.decoding.fields import bare_jid

REEM = "447700900123"
REEM_JID = f"{REEM}@s.whatsapp.net"


@for_each(
    ("text", "jid"),
    [
        (REEM_JID, REEM_JID),
        (f" {REEM}:12@S.WhatsApp.net ", REEM_JID),
        ("120363012345678901@g.us", "120363012345678901@g.us"),
        ("447700900123-1600000000@g.us", "447700900123-1600000000@g.us"),
        ("98765432101234@lid", "98765432101234@lid"),
        ("status@broadcast", "status@broadcast"),
        ("Reem", None),
        (REEM, None),
    ],
)
def test_a_text_is_read_as_a_jid(text: str, jid: str | None) -> None:
    assert parse_jid(text) == jid


@for_each("text", ["reem@example.com", "reem@s.whatsapp.net", "12@g.us", "@lid"])
def test_a_text_with_an_at_sign_that_is_no_jid_is_refused(text: str) -> None:
    with pytest.raises(WaError) as caught:
        parse_jid(text)
    assert caught.value.code == "recipient-not-found"
    assert phone_in(text, None) is None


def test_the_jid_of_a_person_holds_the_phone_number() -> None:
    assert jid_of_phone(REEM) == REEM_JID
    assert phone_of_jid(REEM_JID) == REEM
    assert phone_of_jid("98765432101234@lid") is None
    assert phone_in(f"+{REEM}", None) == phone_in(REEM_JID, None) == REEM
    assert parse_address(f"+{REEM}") == parse_address(REEM_JID) == REEM_JID
    assert parse_address("07700 900123") is None


def test_groups_and_hidden_ids_are_told_by_their_server() -> None:
    assert is_group("120363012345678901@g.us")
    assert is_lid("98765432101234@lid")
    assert not is_group(REEM_JID)
    assert not is_lid(REEM_JID)


def test_a_person_s_jid_is_shown_as_a_number() -> None:
    assert show_jid(REEM_JID) == f"+{REEM}"


@for_each(
    ("jid", "name", "shown"),
    [
        (REEM_JID, "Reem", "Reem"),
        ("98765432101234@lid", None, "somebody …1234"),
        ("98765432101234@lid", "Reem", "~Reem"),
        ("120363012345678901@g.us", "Walks", "Walks"),
        ("status@broadcast", None, "Status"),
        ("120363012345678901@newsletter", None, "channel …8901"),
        ("120363012345678901@newsletter", "News", "News"),
        ("1600000000@broadcast", None, "broadcast list …0000"),
    ],
)
def test_no_hidden_id_is_shown(jid: str, name: str | None, shown: str) -> None:
    assert show_jid(jid, name) == shown


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        (f"{REEM}@c.us", REEM_JID),
        (f"{REEM}:99@hosted", REEM_JID),
        ("98765432101234@hosted.lid", "98765432101234@lid"),
    ],
)
def test_a_person_at_another_server_is_the_same_person(text: str, jid: str) -> None:
    assert parse_jid(text) == bare_jid(text) == jid
    assert not is_apart(jid)


@pytest.mark.parametrize("jid", ["status@broadcast", "120363012345678901@newsletter"])
def test_status_posts_and_channels_are_apart(jid: str) -> None:
    assert is_apart(jid)
