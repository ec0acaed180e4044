"""How messages of every kind look in `wa read`, `wa chats` and `wa search`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REEM, REEM_JID, FakeClock
from for_each import for_each

from wa.cli.terminal import hanging
from wa.record import messages, write
from wa.store.condition import check
from wa.store.database import Store
from wa.whatsapp.events import MessageReceived

AT = 1_795_000_000
NOW = FakeClock()()
Run = Callable[..., Any]
MENU = {"file_name": "menu.pdf", "size": 120_300, "mimetype": "application/pdf"}
CARDS = {
    "cards": [{"name": "Nadia", "numbers": ["447700900456"]}, {"name": "Ann", "numbers": ["12125550123"]}]
}
STARTS = {"starts_at": "2027-07-04T18:00:00.000Z"}


def put(store: Store, content: str | None, kind: str = "text", message_id: str = "A", **more: Any) -> None:
    """Record a message."""
    with store.write():
        event = MessageReceived(REEM_JID, message_id, REEM_JID, AT, content, kind, **more)
        write.record(store, event, "live", NOW)


@pytest.mark.parametrize(
    ("kind", "content", "details", "shown"),
    [
        ("document", "menu.pdf", MENU, "[document] menu.pdf · 121 KB"),
        ("document", "The menu", MENU, "[document] menu.pdf · 121 KB · The menu"),
        ("document", "old.pdf", None, "[document] old.pdf"),
        ("voice", None, {"seconds": 7}, "[voice] 0:07"),
        ("audio", None, {"seconds": 3_725}, "[audio] 1:02:05"),
        ("video", "The film", {"seconds": 60, "size": 2_000_000}, "[video] 1:00 · The film"),
        ("video", None, {"video_note": True, "seconds": 3}, "[video note] 0:03"),
        ("image", "Look", {"size": 9, "width": 4, "view_once": True}, "[image] view once · Look"),
        ("location", "51.5, -0.1", {"live": True}, "[live location] 51.5, -0.1"),
        ("contact", "Nadia +44 7700 900456", CARDS, "[contact] Nadia +44 7700 900456"),
        ("text", "Event: Picnic\nStarts 2027-07-04 18:00 UTC", STARTS,
         "Event: Picnic\n    Starts 2027-07-04 19:00"),
    ],
)  # fmt: skip
def test_a_message_is_shown_as_what_it_is(
    store: Store, wa: Run, kind: str, content: str | None, details: dict[str, Any] | None, shown: str
) -> None:
    put(store, content, kind, details=details)
    line = wa("read", REEM).out
    assert line.endswith(f": {shown}\n")
    assert wa("chats").out.endswith(" ".join(shown.split()) + "\n")
    assert wa("read", REEM, "--json").json[0]["details"] == details


def test_a_pin_says_which_message_it_is_about(store: Store, wa: Run) -> None:
    put(store, "Lunch at one, in the new place behind the station", message_id="A")
    put(store, "Pinned a message", "system", "B", quoted_id="A")
    put(store, "Pinned a message", "system", "C", quoted_id="unknown")
    _, known, unknown = wa("read", REEM).out.splitlines()
    assert known.endswith("[system] Pinned a message: “Lunch at one, in the new place behind th…”")
    assert unknown.endswith("[system] Pinned a message")


@pytest.mark.parametrize("query", ["900456", "447700900456", "2125550123", "5550123", "nadia 900456"])
def test_a_card_is_found_by_the_digits_of_its_numbers(store: Store, wa: Run, query: str) -> None:
    put(store, "Nadia +44 7700 900456\nAnn +1 212-555-0123", "contact", details=CARDS)
    assert [row["message_id"] for row in wa("search", query, "--json").json] == ["A"]


def test_a_document_is_found_by_its_name_beside_its_caption(store: Store, wa: Run) -> None:
    put(store, "The menu", "document", details=MENU)
    for query in ("menu.pdf", "menu", "the pdf"):
        assert "menu.pdf · 121 KB · The menu" in wa("search", query).out
    assert wa("search", "application", "--json").json == []


def test_the_search_index_follows_details_through_every_change(store: Store, wa: Run) -> None:
    put(store, "The menu", "document", "migrated-1")
    put(store, "The menu", "document", details=MENU)
    row = messages.find(store, REEM_JID, "A")
    assert row is not None
    assert json.loads(row["details"]) == MENU

    def found(query: str) -> int:
        return len(wa("search", query, "--json").json)

    assert found("menu.pdf") == 1
    with store.write():
        write.edit(store, row, "Our prices", NOW)
    assert (found("menu.pdf"), found("prices"), found("the menu")) == (1, 1, 0)
    with store.write():
        write.delete(store, messages.find(store, REEM_JID, "A") or {}, NOW)
    assert (found("menu.pdf"), found("prices")) == (0, 0)
    assert store.value("SELECT count(*) FROM messages_terms") == 0
    assert check(store) == []


@for_each(
    ("text", "shown"),
    [
        ("one", "one"),
        ("[12:00] Shop: Your order is on its way", "[12:00] Shop: Your\n    order is on its\n    way"),
        (
            "Track it: https://example.com/track/0123456789",
            "Track it:\n    https://example.com/track/0123456789",
        ),
        ("two\nlines", "two\n    lines"),
        ("午前十時に駅の前 で会い ましょう", "午前十時に駅の前\n    で会い ましょう"),
    ],
)
def test_a_long_line_is_broken_between_words_and_indented(text: str, shown: str) -> None:
    assert hanging(text, 20) == shown
    assert hanging(text) == text.replace("\n", "\n    ")


def test_a_document_of_ours_has_its_name_beside_its_caption(wa: Run, tmp_path: Path) -> None:
    file = tmp_path / "menu.pdf"
    file.write_bytes(b"%PDF-1.7 ")
    assert wa("send", REEM, "The menu", "--file", str(file)).code == 0
    (row,) = wa("read", REEM, "--json").json
    assert (row["content"], row["details"]) == ("The menu", {"file_name": "menu.pdf"})
    assert wa("read", REEM).out.endswith("[document] menu.pdf · The menu\n")
