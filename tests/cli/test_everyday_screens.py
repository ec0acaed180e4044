"""What everyday commands show on terminals of two sizes, whole: the texts of `screens/`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ADAM, REEM, REEM_JID, FakeClock

from wa.connection.apply import apply_event
from wa.record import write
from wa.store.database import Store
from wa.whatsapp.events import MessageReceived, ReceiptReceived

SCREENS = Path(__file__).parent / "screens"
SIZES = [(80, 24), (120, 40)]
NOW = FakeClock("2026-11-28T18:00:00")
SENT = int(NOW().timestamp())
DAY = 24 * 60 * 60
GROUP, OMAR, ME = "120363000000000001@g.us", "447700900789@s.whatsapp.net", "12025550100@s.whatsapp.net"
LONG = (
    "A longer message that goes over several lines of a terminal, because people write so, with a list:\n"
    "- bread\n- milk\nand it ends with an address: https://example.com/a/rather/long/address/of/a/page"
)
COMMANDS = [
    ["schedule", "list"],
    ["schedule", "series"],
    ["chats"],
    ["unread"],
    ["read", "sister"],
    ["history", "status"],
    ["search", "saturday"],
    ["contacts", "list"],
    ["jobs", "list"],
    ["run-scheduler", "--once"],
    ["contacts"],
    ["--help"],
]


@pytest.fixture
def lived_in(wa, store: Store, tmp_path: Path) -> None:
    """A home with people, conversations, and messages for later."""

    def say(age: int, text: str | None, chat: str = REEM_JID, sender: str = "", kind: str = "text", **more):
        number = store.value("SELECT count(*) FROM messages")
        event = MessageReceived(chat, f"3A{number}", sender or chat, SENT - age, text, kind, **more)
        if age < DAY:
            apply_event(store, event, NOW())
        else:
            with store.write():
                write.record(store, event, "import", NOW())
        return event.message_id

    def ok(*args: str, **env: str) -> None:
        done = wa(*args, now=NOW, **env)
        assert done.code == 0, done.err

    ok("contacts", "add", "Nadia Sample", REEM, "--alias", "Sister", "--tag", "family", "--favorite")
    ok("contacts", "add", "Maximiliane-Alexandra Beispiel", ADAM, "--alias", "neighbour")
    say(5 * 365 * DAY, "The oldest one", kind="text")
    say(2 * 365 * DAY, "Years later")
    asked = say(7200, "Are we still on for Saturday?")
    say(7000, LONG)
    mine = say(6900, "Yes, at one", sender=ME, is_from_me=True, quoted_id=asked)
    say(6800, "plan.pdf", kind="document", details={"file_name": "plan.pdf", "size": 120_300})
    say(6700, "And bring the cake, please, if you can", sender=ME, is_from_me=True)
    say(3600, "I am here on Saturday too", chat=GROUP, sender=OMAR, push_name="Omar")
    say(3000, LONG, chat=OMAR, push_name="Omar")
    with store.write():
        store.execute("UPDATE chats SET name = 'Family and friends' WHERE id = ?", [GROUP])
    apply_event(store, ReceiptReceived(REEM_JID, (mine,), REEM_JID, "read", SENT), NOW())
    file = tmp_path / "note.pdf"
    file.write_bytes(b"%PDF-1.7 ")
    ok("schedule", "add", "neighbour", "Thanks, I come at six.", "--at", "in 2 hours")
    ok("schedule", "add", "sister", "Lunch as always? The table is booked.", "--at", "sat 10:00",
       "--every", "week", "--count", "9")  # fmt: skip
    ok("schedule", "add", "sister", "The paper", "--at", "tomorrow 9am", "--tz", "America/New_York",
       "--file", str(file))  # fmt: skip
    ok("schedule", "add", "neighbour", "Could you come on Monday?", "--at", "tomorrow 9am", "--draft")
    ok("jobs", "add", "--to", "sister", "--part", "Tea on Sunday?", "--title", "Tea", "--at", "tomorrow 8:00")
    ok("send", "sister", "Now", "--no-wait")


def screen(wa, store: Store, command: list[str], size: tuple[int, int]) -> str:
    """Return what a command shows, without styles; ids, which are made up anew each time, are a1, a2 …"""
    done = wa(*command, now=NOW, terminal=size)
    assert done.code == 0, done.err
    text = re.sub("\x1b\\[[0-9;]*m", "", done.out + done.err)
    for table, letter in (("scheduled_messages", "a"), ("series", "b"), ("jobs", "c")):
        for number, row in enumerate(store.rows(f"SELECT id FROM {table} ORDER BY created_at, rowid"), 1):
            head, _, tail = row["id"].rpartition("_")
            short = f"{letter}{number:0>{len(tail) - 1}}"
            text = text.replace(row["id"], f"{'0' * len(head)}_{short}").replace(tail, short)
    return f"$ wa {' '.join(command)}\n" + "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.usefixtures("lived_in")
@pytest.mark.parametrize("size", SIZES)
def test_the_screens_of_everyday_commands(wa, store: Store, size: tuple[int, int], tmp_path: Path) -> None:
    shown = "\n".join(screen(wa, store, command, size) for command in COMMANDS)
    name = f"{size[0]}x{size[1]}.txt"
    (tmp_path / name).write_text(shown)
    assert shown == (SCREENS / name).read_text(), f"if this is right, it is in {tmp_path / name}"
    assert max(map(len, shown.splitlines())) <= size[0]
