"""The library's database is read in this process and, while the library has it open, in a child process."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from wa.store.paths import Home
from wa.whatsapp.events import FOREVER
from wa.whatsapp.neonize import session_db
from wa.whatsapp.neonize.people import people

TABLES = """
CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT);
INSERT INTO whatsmeow_device VALUES ('447700900000:7@s.whatsapp.net', '900:7@lid', 'Reem ريم');
CREATE TABLE whatsmeow_lid_map (lid TEXT, pn TEXT);
INSERT INTO whatsmeow_lid_map VALUES ('901', '447700900001');
CREATE TABLE whatsmeow_contacts (their_jid TEXT, full_name TEXT, first_name TEXT, business_name TEXT,
    push_name TEXT);
INSERT INTO whatsmeow_contacts VALUES ('447700900001@s.whatsapp.net', '', 'Adam', NULL, 'Addy');
INSERT INTO whatsmeow_contacts VALUES ('447700900002@s.whatsapp.net', NULL, NULL, NULL, NULL);
CREATE TABLE whatsmeow_chat_settings (our_jid TEXT, chat_jid TEXT, muted_until BIGINT NOT NULL DEFAULT 0,
    pinned BOOLEAN NOT NULL DEFAULT false, archived BOOLEAN NOT NULL DEFAULT false);
INSERT INTO whatsmeow_chat_settings VALUES ('447700900000:7@s.whatsapp.net', '901@lid', -1, 0, 1);
INSERT INTO whatsmeow_chat_settings VALUES ('447700900000:7@s.whatsapp.net', '120363@g.us', 1900000000, 1, 0);
INSERT INTO whatsmeow_chat_settings VALUES ('447700900999:1@s.whatsapp.net', '902@lid', 0, 1, 1);
"""


@pytest.mark.parametrize("is_shared", [False, True], ids=["here", "in a child"])
def test_it_is_read_wherever_the_home_is(tmp_path, monkeypatch, is_shared):
    shared = threading.Event()
    if is_shared:
        shared.set()
    monkeypatch.setattr(session_db, "is_shared", shared)
    home = Home(tmp_path / "50%25 of #1?mode=x é")
    home.path.mkdir()
    assert session_db.account(home) is None
    with closing(sqlite3.connect(home.session)) as db:
        db.executescript(TABLES)
    (home.path / "sqlite3.py").write_text("raise SystemExit('not the module of this name')")
    monkeypatch.chdir(home.path)
    assert session_db.account(home).push_name == "Reem ريم"
    assert people(home) == (
        {("901@lid", "447700900001@s.whatsapp.net")},
        {("447700900001@s.whatsapp.net", "Adam", True), ("447700900001@s.whatsapp.net", "Addy", False)},
        {("901@lid", True, False, FOREVER), ("120363@g.us", False, True, 1_900_000_000)},
    )
    home.session.write_bytes(b"no database" * 1000)
    with pytest.raises(session_db.WaError, match="is damaged") as damaged:
        session_db.account(home)
    assert damaged.value.code == "corrupt"
