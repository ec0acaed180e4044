"""Storages with manners of their own: the backup on this machine is made first, and stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import REEM, FakeClock
from odd_s3 import OddS3, serving

from wa.s3 import bucket as s3

if TYPE_CHECKING:
    from rclone_server import Rclone

pytest_plugins = ["rclone_server"]


@pytest.fixture
def odd():
    with serving() as server:
        yield server


@pytest.fixture
def backup(wa, odd: OddS3):
    """Make a backup, each a day after the one before; return the result."""
    clock = FakeClock("2026-11-20T12:00:00")

    def make(*args: str, **env: str):
        clock.advance(days=1)
        return wa("backup", *args, "--json", now=clock, **odd.settings(), **env)

    assert wa("send", REEM, "Hello").code == 0
    return make


def names(home) -> set[str]:
    return {path.name for path in home.backups.glob("*.zst")}


@pytest.mark.parametrize(
    ("manner", "says"),
    [
        ("a web server", "there is no S3 storage: Welcome to nginx!"),
        ("a proxy", "502: The gateway is on holiday"),
        ("another clock", "RequestTimeTooSkewed: The difference between the clocks is too large."),
        ("full", "access was refused (AccessDenied): Cannot upload files, storage cap exceeded."),
        ("goes round", "the listing does not go on"),
        ("elsewhere", "it sends every request somewhere else"),
        ("too much", ": 413: 413 Request Entity Too Large"),
    ],
)
def test_whatever_a_bucket_does_the_backup_is_here_and_its_words_are_shown(
    home, backup, odd: OddS3, wa, manner: str, says: str
) -> None:
    odd.objects = {f"home/backups/whatsapp_2026010{n}_120000.db.zst": b"x" for n in range(1, 6)}
    odd.manner = manner
    done = backup()
    assert (done.code, done.error["code"]) == (7, "storage-error")
    assert says in done.error["message"]
    assert "a-secret" not in done.err
    assert len(names(home)) == 1
    if manner == "another clock":
        assert "check the clock" in done.error["hint"]
    odd.manner = "plain"
    assert backup().code == 0
    assert {f"home/backups/{name}" for name in names(home)} < set(odd.objects)


def test_a_truncated_listing_without_a_token_goes_on_from_the_last_key(backup, odd: OddS3, wa) -> None:
    odd.manner = "the first version"
    for _ in range(4):
        assert backup().code == 0
    rows = wa("backup", "list", "--json", **odd.settings()).json
    assert [row["remote"] for row in rows] == [True] * 4
    odd.listed = 0
    wa("backup", "list", **odd.settings())
    assert odd.listed == 4  # of two objects each


def test_an_object_that_was_cut_short_does_not_count_and_is_uploaded_again(
    home, backup, odd: OddS3, wa
) -> None:
    assert backup().code == 0
    [name] = names(home)
    whole = odd.objects[f"home/backups/{name}"]
    odd.objects[f"home/backups/{name}"] = whole[:100]  # a server that lost the rest later
    assert [row["remote"] for row in wa("backup", "list", "--json", **odd.settings()).json] == [False]
    assert backup().code == 0
    assert odd.objects[f"home/backups/{name}"] == whole

    odd.manner = "cuts"
    done = backup()
    assert (done.code, done.error["code"]) == (7, "storage-error")
    assert "it kept" in done.error["message"]
    odd.manner = "plain"
    assert backup().code == 0
    for each in names(home):
        assert odd.objects[f"home/backups/{each}"] == (home.backups / each).read_bytes()


def test_a_large_backup_goes_in_parts(home, backup, odd: OddS3, monkeypatch) -> None:
    monkeypatch.setattr(s3, "PART_FROM", 8_000)
    monkeypatch.setattr(s3, "_PART", 5_000)
    odd.manner = "ends in parts"
    done = backup()
    assert (done.code, "This part is not taken." in done.error["message"]) == (7, True)
    assert odd.uploads == {}
    odd.uploads["left"] = {}  # by a process that was killed
    odd.manner = "plain"
    assert backup().code == 0
    assert odd.uploads == {}
    assert len(odd.in_parts) == 2
    for each in names(home):
        data = (home.backups / each).read_bytes()
        assert odd.objects[f"home/backups/{each}"] == data
        assert len(data) > 8_000
    assert {size for sizes in odd.in_parts for size in sizes[:-1]} == {5_000}


def test_a_name_that_another_home_took_in_the_storage_moves_on(home, backup, odd: OddS3) -> None:
    theirs = "home/backups/whatsapp_20261121_120000.db.zst"
    odd.objects = {theirs: b"theirs", f"{theirs}.sha256": b"0" * 64 + b"  whatsapp_20261121_120000.db.zst\n"}
    done = backup()
    assert done.code == 0, done.err
    assert done.json["name"] == "whatsapp_20261121_120001.db.zst"
    assert Path(done.json["path"]).is_file()
    assert names(home) == {done.json["name"]}
    assert odd.objects[theirs] == b"theirs"
    sums = {path.name for path in home.backups.glob("*.sha256")}
    assert sums == {f"{done.json['name']}.sha256"}


def test_rclone_as_the_storage(home, wa, rclone: Rclone, monkeypatch, tmp_path: Path) -> None:
    clock, env = FakeClock("2026-11-20T12:00:00"), rclone.settings()
    assert wa("send", REEM, "Hello", now=clock).code == 0
    for part_from in (s3.PART_FROM, 8_000):
        monkeypatch.setattr(s3, "PART_FROM", part_from)
        done = wa("backup", "--json", now=clock, **env)
        assert (done.code, done.json["uploaded"]) == (0, True)
        clock.advance(minutes=10)
    kept = rclone.folder / "store" / "whatsapp" / "backups"
    for path in home.backups.glob("whatsapp_*"):
        assert (kept / path.name).read_bytes() == path.read_bytes()
    new = {**env, "WA_HOME": str(tmp_path / "new")}
    rows = wa("backup", "list", "--json", now=clock, **new).json
    assert [(row["local"], row["remote"]) for row in rows] == [(False, True)] * 2
    for row in rows:
        target = tmp_path / f"{row['name']}.db"
        assert wa("backup", "restore", row["name"], "--to", str(target), now=clock, **new).code == 0
        assert target.stat().st_size
    clock.advance(days=3)
    assert [row["name"] for row in wa("backup", "prune", "--json", now=clock, **env).json] == [
        rows[1]["name"]
    ]
    assert sorted(path.name for path in kept.iterdir()) == [rows[0]["name"], f"{rows[0]['name']}.sha256"]
