"""A home that was copied, unpacked or put back sends nothing until `wa resume`; one that was moved does."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import ADAM, REEM, REEM_JID, delivered, is_connected, wait_for

from wa.connection.context import system_now
from wa.people.recipients import Recipient
from wa.queue import pacing, place, rows
from wa.settings import parse_settings
from wa.store.open import open_store
from wa.store.paths import Home

WORDS = "stop wa on any other machine, look at `wa schedule list`, then `wa resume`"
THREE = ["one", "two", "three"]


@pytest.fixture(params=["with a machine-id", "without"])
def machine(request, tmp_path, monkeypatch):
    """The file of the machine's id, which may be missing."""
    path = tmp_path / "machine-id"
    if request.param != "without":
        path.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    monkeypatch.setattr(place, "MACHINE_ID", path)
    return path


@pytest.fixture
def three(wa, home, tmp_path):
    """Three messages, due now, in a home whose server is elsewhere, as WhatsApp's is."""
    home.loopback.symlink_to(tmp_path / "server.db")
    for text in THREE:
        assert wa("schedule", "add", REEM, text, "--at", "in 0 seconds").code == 0
    return home


def run_queue(wa, home):
    """Send what is due in a home; the outcome of a message may be unknown."""
    assert wa("run-scheduler", "--once", WA_HOME=str(home.path)).code in (0, 6)
    return delivered(home)


def status(wa, home):
    """Return the status of a home."""
    return wa("status", "--json", WA_HOME=str(home.path)).json


def statuses(wa, home):
    """Return the statuses of the rows of a home."""
    return [
        row["status"]
        for row in wa("schedule", "list", "--status", "all", "--json", WA_HOME=str(home.path)).json
    ]


def copied(home, way):
    """Return a copy of a home, made in one way or another."""
    copy = Home(home.path.with_name("copy"))
    if way == "cp -a":
        subprocess.run(["cp", "-a", home.path, copy.path], check=True)
    elif way == "tar":
        copy.path.mkdir(mode=0o700)
        pack = subprocess.run(["tar", "-C", home.path, "-cf", "-", "."], check=True, capture_output=True)
        subprocess.run(["tar", "-C", copy.path, "-xf", "-"], check=True, input=pack.stdout)
    else:
        shutil.copytree(home.path, copy.path, symlinks=True)
    return copy


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("way", ["cp -a", "tar", "copytree"])
@pytest.mark.parametrize("first", ["original", "copy"])
def test_three_due_rows_of_a_copied_home_go_out_once(wa, three, way, first):
    copy = copied(three, way)
    both = (three, copy) if first == "original" else (copy, three)
    for each in both:
        run_queue(wa, each)
    assert delivered(three) == THREE
    found = status(wa, copy)
    assert found["sending"] == "paused"
    assert WORDS in found["sending_note"]
    assert statuses(wa, copy) == ["pending"] * 3
    assert status(wa, three)["sending"] == "on"


@pytest.mark.usefixtures("machine")
def test_resume_settles_a_copied_home_and_what_was_due_is_unknown(wa, three):
    copy = copied(three, "cp -a")
    at = {"WA_HOME": str(copy.path)}
    assert wa("schedule", "add", ADAM, "later", "--at", "in 1 hour").code == 0
    assert wa("schedule", "add", ADAM, "made here", "--at", "in 0 seconds", **at).code == 0
    run_queue(wa, three)
    result = wa("resume", **at)
    assert (result.code, result.out) == (0, "sending goes on\n")
    assert "3 due messages may have been sent by another copy" in result.err
    assert status(wa, copy)["sending"] == "on"
    run_queue(wa, copy)
    assert statuses(wa, copy) == ["unknown"] * 3 + ["sent"]
    assert wa("send", REEM, "now", **at).code == 0
    assert delivered(three) == [*THREE, "made here", "now"]
    assert wa("resume", **at).err == ""


@pytest.mark.usefixtures("machine")
def test_a_moved_home_is_not_paused(wa, three):
    moved = Home(three.path.with_name("moved"))
    three.path.rename(moved.path)
    assert status(wa, moved)["sending"] == "on"
    assert run_queue(wa, moved) == THREE


@pytest.mark.usefixtures("machine")
def test_a_home_behind_a_link_is_the_same_home(wa, three):
    link = Home(three.path.with_name("link"))
    link.path.symlink_to(three.path)
    assert run_queue(wa, link) == THREE


@pytest.mark.usefixtures("machine")
def test_a_home_put_back_from_its_copy_is_paused(wa, three):
    copy = copied(three, "cp -a")
    run_queue(wa, three)
    shutil.rmtree(three.path)
    copy.path.rename(three.path)
    run_queue(wa, three)
    assert delivered(three) == THREE
    assert status(wa, three)["sending"] == "paused"


@pytest.mark.usefixtures("machine")
def test_a_home_moved_to_another_disk_is_paused(wa, three, tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a disk")
    try:
        moved = Home(Path(shutil.move(three.path, disk / "home")))
        if moved.store.stat().st_ino == three_inode(wa, moved):
            pytest.skip("the new disk gave the file the same number")
        assert run_queue(wa, moved) == []
        assert status(wa, moved)["sending"] == "paused"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def three_inode(wa, home):
    """Return the inode that a home remembers."""
    store = open_store(home)
    try:
        return store.state()["place"]["inode"]
    finally:
        store.close()


@pytest.mark.parametrize("gone", [False, True])
def test_the_same_file_on_another_machine_is_a_copy_where_both_are_known(
    wa, three, tmp_path, monkeypatch, gone
):
    monkeypatch.setattr(place, "MACHINE_ID", tmp_path / "machine-id")
    (tmp_path / "machine-id").write_text("1" * 32)
    run_queue(wa, three)
    assert wa("resume").code == 0
    other = tmp_path / "other-id"
    if not gone:
        other.write_text("2" * 32)
    monkeypatch.setattr(place, "MACHINE_ID", other)
    assert status(wa, three)["sending"] == ("on" if gone else "paused")


def test_a_home_without_any_message_has_no_place_yet(wa, home):
    assert wa("status").code == 0
    copy = copied(home, "cp -a")
    assert wa("send", REEM, "Hello", WA_HOME=str(copy.path)).code == 0


@pytest.mark.usefixtures("machine")
def test_a_running_owner_sends_nothing_from_a_store_that_was_replaced(home, store):
    """The store that it has open is not the one that others see."""
    now = system_now()
    to = Recipient(REEM_JID, REEM, None)
    rows.enqueue(store, to, "Hello", now, now, grace=timedelta(hours=1))
    settings = parse_settings({**os.environ}, lambda: "UTC")
    assert pacing.blocked(store, now, settings) is None
    shutil.copy2(home.store, home.path / "new")
    (home.path / "new").rename(home.store)
    block = pacing.blocked(store, now, settings)
    assert block is not None
    assert WORDS in block.text


@pytest.mark.usefixtures("machine")
def test_a_row_that_was_being_sent_when_the_home_was_copied_is_not_sent_by_the_copy(wa, three, spawn):
    wa("loopback", "fault", "ack-delay", "3")
    sender = spawn("run-scheduler")
    wait_for(lambda: is_connected(three) and "sending" in statuses(wa, three))
    copy = copied(three, "cp -a")
    sender.kill()
    wa("loopback", "reset")
    run_queue(wa, copy)
    assert wa("resume", WA_HOME=str(copy.path)).code == 0
    run_queue(wa, copy)
    run_queue(wa, three)
    texts = delivered(three)
    assert len(texts) == len(set(texts))


def test_a_restored_backup_is_in_its_own_place(wa, home):
    assert wa("send", REEM, "Hello").code == 0
    assert wa("backup").code == 0
    assert wa("backup", "restore", "latest").code == 0
    assert wa("schedule", "add", REEM, "due", "--at", "in 0 seconds").code == 0
    assert wa("status", "--json").json["sending_note"] == "nothing goes out until `wa resume`"
    result = wa("resume")
    assert (result.code, result.err) == (0, "")
    assert wa("run-scheduler", "--once").code == 0
    assert delivered(home) == ["Hello", "due"]


def test_twelve_copies_of_a_home_send_what_was_due_once(wa, three, tmp_path):
    for number in range(12):
        shutil.copytree(three.path, tmp_path / f"copy {number}", symlinks=True)
    for each in sorted(tmp_path.glob("copy *")):
        run_queue(wa, Home(each))
    run_queue(wa, three)
    assert delivered(three) == THREE
