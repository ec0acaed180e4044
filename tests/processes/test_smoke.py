"""The main job: one message is sent and recorded."""

from __future__ import annotations


def test_send_arrives_and_is_recorded(wa):
    result = wa("send", "447700900123", "Hello", "--json")
    assert result.code == 0, result.err
    assert result.json["status"] == "sent"
    assert wa("loopback", "delivered", "--json").json[0]["content"] == "Hello"
    assert [row["content"] for row in wa("read", "447700900123", "--json").json] == ["Hello"]
