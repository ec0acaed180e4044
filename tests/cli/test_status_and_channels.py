"""Status posts and channels: kept apart from chats, and read under their names."""

from __future__ import annotations

import json

import pytest
from conftest import ADAM, REEM, REEM_JID

NEWS = "120363000000000009@newsletter"
STATUS = "status@broadcast"


@pytest.fixture
def came(wa):
    """A status post of Reem, a message of hers, and the post of a channel."""
    lines = [
        {"from": REEM, "group": STATUS, "text": "At the sea", "name": "Reem"},
        {"from": ADAM, "group": STATUS, "text": "", "type": "image"},
        {"from": REEM, "text": "Hello"},
        {"from": NEWS, "text": "Rain tomorrow", "name": "Daily News"},
        {"from": NEWS, "text": "Sun on Friday"},
    ]
    assert wa("loopback", "say", "-", stdin="\n".join(map(json.dumps, lines))).code == 0
    assert wa("send", "me", "a note").code == 0


@pytest.mark.usefixtures("came")
def test_status_posts_are_read_apart(wa):
    posts = wa("read", "status", "--json").json
    assert [(each["sender_name"], each["content"]) for each in posts] == [("Reem", "At the sea"), (None, "")]
    assert {each["chat_jid"] for each in posts} == {STATUS}
    assert [line.split("] ")[1] for line in wa("read", "status").out.splitlines()] == [
        "Status · Reem: At the sea",
        f"Status · +{ADAM}: [image]",
    ]
    assert "At the sea" in wa("search", "sea").out
    assert wa("read", REEM, "--json").json[0]["content"] == "Hello"


@pytest.mark.usefixtures("came")
def test_a_channel_is_read_under_its_name(wa):
    (channel,) = wa("chats", "--channels", "--json").json
    assert (channel["id"], channel["name"], channel["unread_count"]) == (NEWS, "Daily News", 0)
    for name in ("daily news", "Daily", NEWS):
        read = [each["content"] for each in wa("read", name, "--json").json]
        assert read == ["Rain tomorrow", "Sun on Friday"], name
    assert wa("chats", "--channels").out.endswith("\tDaily News\t\tSun on Friday\n")


@pytest.mark.usefixtures("came")
def test_neither_is_a_chat_or_unread_and_nothing_is_sent_there(wa):
    assert {each["id"] for each in wa("chats", "--json").json} == {REEM_JID, "12025550100@s.whatsapp.net"}
    assert [each["id"] for each in wa("unread", "--json").json] == [REEM_JID]
    for to in ("status@broadcast", NEWS):
        assert wa("send", to, "Hello", "--json").error["code"] == "usage"
    for seen in ("--seen", "--mark-read"):
        assert wa("read", "status", seen).code == 0
