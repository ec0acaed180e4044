"""Processes that make, upload, prune and restore backups are killed at any moment."""

from __future__ import annotations

import hashlib
import io
import random
import re
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import zstandard
from conftest import FakeClock

from wa.people.recipients import Recipient
from wa.queue import rows as schedule
from wa.store.paths import Home
from wa.times import parse_duration

pytest_plugins = ["s3_server"]

KILL_POINTS = str(Path(__file__).parents[1] / "support/backup_kill_points.py")
NAME = re.compile(r"whatsapp_([0-9]{8}_[0-9]{6})\.db\.zst")
IN_BUCKET = "whatsapp/backups/"
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=timezone.utc)
KILLS = 5


# ── Tools ─────────────────────────────────────────────────────────────────────────────────────────


def fill(store, first, count):
    """Record `count` contacts and messages, and queue as many: half are due, half are not."""
    now = NOON - timedelta(days=1)
    with store.write():
        for number in range(first, first + count):
            phone = f"447700900{number:03d}"
            jid, at = f"{phone}@s.whatsapp.net", now.isoformat()
            store.insert(
                "contacts", {"phone": phone, "name": f"Friend {number}", "created_at": at, "updated_at": at}
            )
            store.insert(
                "messages",
                {
                    "chat_jid": jid,
                    "message_id": f"ID{number}",
                    "sender": jid,
                    "content": f"Hello {number}",
                    "timestamp": 1_790_000_000 + number,
                    "created_at": at,
                },
            )
            due = now + timedelta(days=10 * (number % 2))
            to = Recipient(jid, phone, None)
            schedule.enqueue(store, to, f"Later {number}", due, now, grace=parse_duration("400d"))


def contents(path):
    """Check a database; return its contacts, messages and queue, and whether sending is paused."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.row_factory = sqlite3.Row
        tables = [
            [
                {key: row[key] for key in tuple(row.keys()) if key != "updated_at"}
                for row in db.execute(f"SELECT * FROM {table} ORDER BY id")
            ]
            for table in ("contacts", "messages", "scheduled_messages")
        ]
        paused = db.execute("SELECT 1 FROM state WHERE key = 'paused'").fetchone() is not None
    return tables, paused


def assert_sound(name, data, checksum, scratch):
    """Check that a packed backup fits its checksum and holds a sound database."""
    assert checksum == f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode(), name
    unpacked = scratch / "unpacked.db"
    with unpacked.open("wb") as file:
        zstandard.ZstdDecompressor().copy_stream(io.BytesIO(data), file)
    contents(unpacked)
    unpacked.unlink()


def local(home):
    """Return the local backups by name, each of them checked."""
    names = sorted(path.name for path in home.backups.glob("whatsapp_*") if NAME.fullmatch(path.name))
    for name in names:
        path = home.backups / name
        checksum = path.with_name(f"{name}.sha256")
        assert checksum.exists(), f"{name} has no checksum here"
        assert_sound(name, path.read_bytes(), checksum.read_bytes(), home.path.parent)
    return names


def remote(home, bucket):
    """Return the backups in the bucket by name, each of them checked once."""
    listed = bucket.server.client().list_objects_v2(Bucket=bucket.name, Prefix=IN_BUCKET).get("Contents", [])
    tags = {each["Key"].removeprefix(IN_BUCKET): each["ETag"] for each in listed}
    names = sorted(key for key in tags if NAME.fullmatch(key))
    for name in names:
        assert f"{name}.sha256" in tags, f"{name} has no checksum in the bucket"
        seen = (bucket.name, name, tags[name], tags[f"{name}.sha256"])
        if seen not in _checked:
            assert_sound(name, get(bucket, name), get(bucket, f"{name}.sha256"), home.path.parent)
            _checked.add(seen)
    return names


_checked = set()
"""Backups of a bucket that were read and found sound, by the server's digests."""


def get(bucket, name):
    """Return an object of the bucket."""
    found = bucket.server.client().get_object(Bucket=bucket.name, Key=IN_BUCKET + name)
    return found["Body"].read()


def rows(home, sql):
    """Return the rows of a query on the store."""
    with closing(sqlite3.connect(home.store)) as db:
        return db.execute(sql).fetchall()


def start(spawn, number, *args, ending="SIGKILL", log="-", at=None, **env):
    """Start `wa ARGS` as a process that ends itself at its N-th event."""
    clock = {"CLOCK": at.isoformat()} if at else {}
    return spawn(str(number), ending, log, *args, program=[sys.executable, KILL_POINTS], **clock, **env)


def events(spawn, tmp_path, *args, **options):
    """Run `wa ARGS` to its end; return its events."""
    log = tmp_path / "events"
    done = start(spawn, 0, *args, log=str(log), **options).finish()
    assert done.code == 0, done.err
    return log.read_text().splitlines()


def spread(seed, most, count=KILLS):
    """Return `count` numbers from 1 to `most`, one of each equal interval."""
    chance = random.Random(seed)
    edges = [1 + round(most * each / count) for each in range(count + 1)]
    return [chance.randrange(low, high) for low, high in zip(edges, edges[1:], strict=False) if low < high]


def numbers_of(happened, *wanted):
    """Return the numbers of the events that begin like one of `wanted`."""
    return [number for number, each in enumerate(happened, 1) if each.startswith(wanted)]


def no_part_is_left(home):
    """Return whether no half-made file is left."""
    assert not (home.backups / ".making").exists()
    return not [path for path in home.backups.glob("whatsapp_*.sha256") if not path.with_suffix("").exists()]


@pytest.fixture
def s3_env(bucket, monkeypatch):
    """Set the storage for every process that the test starts."""
    for name, value in bucket.settings().items():
        monkeypatch.setenv(name, value)
    return bucket


# ── Backups ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [20261121])
def test_backups_killed_at_any_event_leave_whole_backups_and_the_next_run_completes_them(
    home, store, spawn, s3_env, tmp_path, seed
):
    make_backups(home, store, spawn)
    happened = prune_events(spawn, tmp_path)
    expected = contents(home.store)
    begin = NOON - timedelta(hours=7)
    kills = spread(seed, len(happened))
    killed = sum(
        kill_backup(home, spawn, s3_env, number, begin + timedelta(minutes=20) * round_, expected)
        for round_, number in enumerate(kills)
    )
    assert killed >= len(kills) * 0.7
    complete_backups(home, spawn, s3_env, begin + timedelta(minutes=20) * len(kills), expected)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(10))
def test_a_backup_killed_at_every_event_leaves_whole_backups(home, store, spawn, s3_env, tmp_path, part):
    make_backups(home, store, spawn)
    expected = contents(home.store)
    before = save_state(home, s3_env, tmp_path / "before")
    happened = prune_events(spawn, tmp_path)
    every = range(1 + part, len(happened) + 1, 10)
    killed = 0
    for number in every:
        restore_state(home, store, s3_env, before)
        killed += kill_backup(home, spawn, s3_env, number, NOON - timedelta(hours=7.5), expected)
        complete_backups(home, spawn, s3_env, NOON - timedelta(hours=7), expected)
    assert killed >= len(every) - 2, "its last events differ by some from one run to the next"


def make_backups(home, store, spawn):
    """Fill the store, and make some backups."""
    fill(store, 0, 20)
    for hours in (9, 8.9, 8.8, 8.7):
        done = start(spawn, 0, "backup", at=NOON - timedelta(hours=hours)).finish()
        assert done.code == 0, done.err


def prune_events(spawn, tmp_path):
    """Return the events of a run that makes, uploads and prunes a backup."""
    happened = events(spawn, tmp_path, "backup", at=NOON - timedelta(hours=7.5))
    # A local backup is removed, its checksum last, and a backup in the storage.
    assert any(each.startswith("os.remove whatsapp_") and each.endswith(".sha256") for each in happened)
    assert numbers_of(happened, "call delete")
    return happened


def save_state(home, bucket, folder):
    """Return the state of the backups: the local files, the rows, and the objects in the bucket."""
    shutil.copytree(home.backups, folder)
    read = bucket.server.client().get_object
    objects = {key: read(Bucket=bucket.name, Key=key)["Body"].read() for key in bucket.keys()}  # noqa: SIM118
    return folder, rows(home, "SELECT * FROM backup_history"), objects


def restore_state(home, store, bucket, before):
    """Restore this state of the backups, so that the next run has the events of the counted run."""
    folder, history, objects = before
    shutil.rmtree(home.backups)
    shutil.copytree(folder, home.backups)
    with store.write():
        store.execute("DELETE FROM backup_history")
        for row in history:
            store.execute(f"INSERT INTO backup_history VALUES ({', '.join('?' * len(row))})", row)
    for key in bucket.keys():  # noqa: SIM118
        bucket.server.client().delete_object(Bucket=bucket.name, Key=key)
    for key, data in objects.items():
        bucket.put(key, data)


def kill_backup(home, spawn, bucket, number, at, expected):
    """Kill a backup at its N-th event, and check what is left; return whether the run reached the event."""
    here, there = local(home), remote(home, bucket)
    waiting = waiting_here(home)
    code = start(spawn, number, "backup", at=at).finish().code
    assert code in (0, -signal.SIGKILL)
    assert contents(home.store) == expected
    here_now, there_now = local(home), remote(home, bucket)
    assert here_now[-1] >= here[-1], number
    assert there_now[-1] >= there[-1], number
    still = waiting_here(home)
    lost = [name for name in waiting if name not in here_now and name in still]
    assert not lost, number
    assert all(name in there_now for name in waiting if name not in here_now and name > there[-1])
    return code == -signal.SIGKILL


def complete_backups(home, spawn, bucket, at, expected):
    """Make a backup after killed runs: it and the next one leave no half-made file."""
    done = start(spawn, 0, "backup", "--json", at=at).finish()
    assert done.code == 0, done.err
    here, there = local(home), remote(home, bucket)
    assert done.json["name"] in here
    assert set(here) <= set(there)
    assert no_part_is_left(home)
    assert rows(home, "SELECT 1 FROM backup_history WHERE status = 'running' OR upload = 'waiting'") == []
    recorded = {name for (name,) in rows(home, "SELECT name FROM backup_history WHERE status = 'done'")}
    assert set(here) | set(there) <= recorded
    assert contents(home.store) == expected
    # the objects of a killed run do not stay in the bucket for ever either
    last = start(spawn, 0, "backup", at=NOON + timedelta(days=1)).finish()
    assert last.code == 0, last.err
    keys = [key.removeprefix(IN_BUCKET) for key in bucket.keys()]  # noqa: SIM118
    assert set(keys) == {each for name in remote(home, bucket) for each in (name, f"{name}.sha256")}


def waiting_here(home):
    """Return the finished backups that wait for their upload."""
    found = rows(
        home, "SELECT name FROM backup_history WHERE upload = 'waiting' AND status IN ('done', 'running')"
    )
    return {name for (name,) in found if (home.backups / name).exists()}


@pytest.mark.parametrize("ending", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.soak)])
def test_a_backup_ended_by_a_signal_leaves_no_half_made_file(
    home, store, spawn, shell, s3_env, tmp_path, ending
):
    fill(store, 0, 20)
    happened = events(spawn, tmp_path, "backup", at=NOON)
    first, (named, last) = numbers_of(happened, "call take")[0], numbers_of(happened, "os.rename")[-2:]
    for round_, each in enumerate(spread(ending, last - first, 3), 1):
        at = NOON + timedelta(minutes=round_)
        done = start(spawn, first + each, "backup", ending=ending, at=at).finish()
        assert done.code == (0 if ending == "SIGTERM" else 130), (happened[first + each - 1], done.err)
        # the checksum gets its name before the backup, from the line before that event on
        assert no_part_is_left(home) or first + each >= named - 1, happened[first + each - 1]
        local(home)
        assert rows(home, "SELECT status FROM backup_history ORDER BY id DESC LIMIT 1") == [("interrupted",)]
    done = start(spawn, 0, "backup", at=NOON + timedelta(minutes=20)).finish()
    assert done.code == 0, done.err
    assert no_part_is_left(home)
    assert local(home) == remote(home, s3_env)


@pytest.mark.parametrize(
    "stage",
    [
        "call take",
        pytest.param("os.rename", marks=pytest.mark.soak),
        pytest.param("http.client.send", marks=pytest.mark.soak),
    ],
)
def test_two_backups_and_a_prune_at_once_survive_the_kill_of_one(home, store, spawn, s3_env, tmp_path, stage):
    fill(store, 0, 20)
    happened = events(spawn, tmp_path, "backup")
    number = numbers_of(happened, stage)[-1]
    processes = [start(spawn, number, "backup"), spawn("backup"), spawn("backup", "prune")]
    codes = [process.finish().code for process in processes]
    assert codes == [-signal.SIGKILL, 0, 0]
    last = spawn("backup").finish()
    assert last.code == 0, last.err
    assert local(home) == remote(home, s3_env)
    assert no_part_is_left(home)
    assert rows(home, "SELECT 1 FROM backup_history WHERE status = 'running' OR upload = 'waiting'") == []


# ── Prune ─────────────────────────────────────────────────────────────────────────────────────────


def wanted_of(names):
    """Return the backups that the rule keeps at NOON: the last of so many hours, days, weeks and months."""
    dated = sorted(
        (
            (datetime.strptime(NAME.fullmatch(name)[1], "%Y%m%d_%H%M%S").replace(tzinfo=timezone.utc), name)
            for name in names
        ),
        reverse=True,
    )
    stay = {name for at, name in dated if at > NOON - timedelta(hours=1)}
    for most, form in ((24, "%Y%m%d%H"), (7, "%Y%m%d"), (4, "%G%V"), (12, "%Y%m")):
        last = {}
        for at, name in dated:
            last.setdefault(at.strftime(form), name)
        stay |= set(list(last.values())[:most])
    return stay


def old_backups(home, bucket, sound):
    """Add copies of a sound backup, dated in past months, where they are missing: here and in the bucket."""
    data = (home.backups / sound).read_bytes()
    moments = [NOON - timedelta(minutes=23) * each for each in range(1, 15)]
    moments += [NOON - timedelta(hours=31) * each for each in range(1, 5)]
    moments += [NOON - timedelta(days=17) * each for each in range(2, 30, 2)]
    names = {f"whatsapp_{at:%Y%m%d_%H%M%S}.db.zst" for at in moments}
    keys = set(bucket.keys())
    for name in names:
        line = f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
        (home.backups / f"{name}.sha256").write_bytes(line)
        (home.backups / name).write_bytes(data)
        for key, each in ((f"{name}.sha256", line), (name, data)):
            if IN_BUCKET + key not in keys:
                bucket.put(IN_BUCKET + key, each)
    return names


def prune_and_kill(home, spawn, bucket, tmp_path, choose):
    """Kill prunes, and check each time what is left."""
    assert start(spawn, 0, "backup", at=NOON - timedelta(minutes=1)).finish().code == 0
    (sound,) = local(home)
    names = old_backups(home, bucket, sound) | {sound}
    stay = wanted_of(names)
    assert len(stay) < len(names) - 5
    happened = events(spawn, tmp_path, "backup", "prune", at=NOON)
    assert set(local(home)) == set(remote(home, bucket)) == stay
    for number in choose(happened):
        old_backups(home, bucket, sound)
        assert start(spawn, number, "backup", "prune", at=NOON).finish().code == -signal.SIGKILL
        here, there = set(local(home)), set(remote(home, bucket))
        assert stay <= here <= names
        assert stay <= there <= names
    assert start(spawn, 0, "backup", "prune", at=NOON).finish().code == 0
    assert set(local(home)) == set(remote(home, bucket)) == stay
    assert no_part_is_left(home)


@pytest.mark.soak
def test_a_killed_prune_removes_no_backup_that_the_rule_keeps(home, store, spawn, s3_env, tmp_path):
    prune_and_kill(home, spawn, s3_env, tmp_path, lambda happened: spread(7, len(happened), 7))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_prune_killed_at_every_event_removes_no_backup_that_the_rule_keeps(
    home, store, spawn, s3_env, tmp_path
):
    prune_and_kill(home, spawn, s3_env, tmp_path, lambda happened: range(1, len(happened) + 1))


# ── Restore ───────────────────────────────────────────────────────────────────────────────────────


def lived_on(home, store, spawn):
    """A home that has a backup and was used since; return its present content."""
    fill(store, 0, 20)
    assert start(spawn, 0, "backup", at=NOON - timedelta(hours=2)).finish().code == 0
    fill(store, 20, 300)
    with store.write():
        store.execute("DELETE FROM contacts WHERE id = 3")
    store.close()
    return contents(home.store)


def copy_home(home, name):
    """Copy a home."""
    copy = home.path.with_name(name)
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home.path, copy)
    return Home(copy)


def restore_and_kill(home, store, spawn, wa, tmp_path, choose):
    """Kill restores, each in a home of its own, and check the store afterwards."""
    before = lived_on(home, store, spawn)
    other = copy_home(home, "unbroken")
    happened = events(spawn, tmp_path, "backup", "restore", "latest", at=NOON, WA_HOME=str(other.path))
    after = contents(other.store)
    assert before[1] is False
    assert after[1] is True
    assert before[0] != after[0]
    ends = set()
    for number in choose(happened):
        copy = copy_home(home, "killed")
        env = {"WA_HOME": str(copy.path)}
        killed = start(spawn, number, "backup", "restore", "latest", at=NOON, **env)
        assert killed.finish().code == -signal.SIGKILL
        found = contents(copy.store)
        assert found in (before, after), happened[number - 1]
        ends.add(found == after)
        kept = [contents(path) for path in copy.backups.glob("replaced_*.db")]
        assert kept in ([before], []), happened[number - 1]
        assert kept or found == before, happened[number - 1]
        again = wa("backup", "restore", "latest", now=FakeClock("2026-11-20T12:31:00"), **env)
        assert again.code == 0, again.err
        assert contents(copy.store) == after
        assert not (copy.backups / ".making").exists()
        assert before in [contents(path) for path in copy.backups.glob("replaced_*.db")]
    return ends


def test_a_killed_restore_leaves_the_old_store_or_the_restored_one(home, store, spawn, wa, tmp_path):
    def choose(happened):
        return [*spread(5, len(happened) // 2, KILLS - 4), *range(len(happened) - 24, len(happened), 7)]

    ends = restore_and_kill(home, store, spawn, wa, tmp_path, choose)
    assert ends == {True, False}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_restore_killed_at_every_event_leaves_the_old_store_or_the_restored_one(
    home, store, spawn, wa, tmp_path
):
    restore_and_kill(home, store, spawn, wa, tmp_path, lambda happened: [*range(1, len(happened) + 1)])


@pytest.mark.parametrize(
    "count", [2, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_a_killed_restore_into_a_new_home_can_be_repeated(home, store, spawn, wa, s3_env, tmp_path, count):
    fill(store, 0, 20)
    assert start(spawn, 0, "backup", at=NOON - timedelta(hours=2)).finish().code == 0
    new = Home(tmp_path / "new")
    env = {"WA_HOME": str(new.path)}
    happened = events(spawn, tmp_path, "backup", "restore", "latest", at=NOON, **env)
    after = contents(new.store)
    assert after[1] is True
    for number in spread(9, len(happened), min(count, len(happened))):
        shutil.rmtree(new.path)
        assert (
            start(spawn, number, "backup", "restore", "latest", at=NOON, **env).finish().code
            == -signal.SIGKILL
        )
        if new.store.exists() and new.store.stat().st_size:
            tables = [] if is_unmade(new) else contents(new.store)[0]
            assert not any(tables) or tables == after[0], happened[number - 1]
        again = wa("backup", "restore", "latest", now=FakeClock("2026-11-20T12:31:00"), **env)
        assert again.code == 0, again.err
        assert contents(new.store) == after, happened[number - 1]
        done = wa("backup", now=FakeClock("2026-11-20T12:32:00"), **env)
        assert done.code == 0, done.err
        assert local(new)


def is_unmade(home):
    """Return whether the database has no table yet."""
    return rows(home, "SELECT 1 FROM sqlite_master WHERE name = 'scheduled_messages'") == []


@pytest.mark.parametrize(
    "count", [4, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_a_backup_put_into_a_file_is_whole_or_missing(home, store, spawn, wa, tmp_path, count):
    fill(store, 0, 20)
    assert start(spawn, 0, "backup", at=NOON - timedelta(hours=2)).finish().code == 0
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target = folder / "out.db"
    args = ("backup", "restore", "latest", "--to", str(target))
    happened = events(spawn, tmp_path, *args, at=NOON, WATCHED=str(folder))
    whole = contents(target)
    assert whole == contents(home.store)
    for number in spread(11, len(happened), min(count, len(happened))):
        target.unlink(missing_ok=True)
        killed = start(spawn, number, *args, at=NOON, WATCHED=str(folder))
        assert killed.finish().code == -signal.SIGKILL
        if target.exists():
            assert contents(target) == whole, happened[number - 1]
        else:
            assert wa(*args).code == 0
        assert contents(target) == whole
        assert [path.name for path in folder.iterdir()] == ["out.db"]
        assert contents(home.store) == whole


# ── Bugs that were found ──────────────────────────────────────────────────────────────────────────


def test_a_backup_whose_upload_was_killed_an_hour_ago_keeps_its_checksum_in_the_bucket(
    home, store, spawn, s3_env, tmp_path
):
    happened = events(spawn, tmp_path, "backup", at=NOON - timedelta(hours=6))
    number = numbers_of(happened, "http.client.send")[
        -2
    ]  # the body of the backup itself, before a look at it
    killed_at = NOON - timedelta(hours=4)
    assert start(spawn, number, "backup", at=killed_at).finish().code == -signal.SIGKILL
    name = local(home)[-1]
    keys = s3_env.keys()
    assert f"{IN_BUCKET}{name}.sha256" in keys
    assert f"{IN_BUCKET}{name}" not in keys
    done = start(spawn, 0, "backup", at=NOON).finish()
    assert done.code == 0, done.err
    assert name in remote(home, s3_env)


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT"])
def test_a_backup_finished_before_a_signal_is_uploaded_by_the_next_run(
    home, store, spawn, s3_env, tmp_path, ending
):
    point = "2 open backups"  # after its checksum its own name is in place, and is about to be synced
    start(spawn, point, "backup", ending=ending, at=NOON + timedelta(minutes=1)).finish()
    (name,) = local(home)
    done = start(spawn, 0, "backup", at=NOON + timedelta(minutes=2)).finish()
    assert done.code == 0, done.err
    assert name in remote(home, s3_env)


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT"])
def test_a_restore_ended_just_after_its_commit_keeps_the_copy_of_the_old_store(
    home, store, spawn, tmp_path, ending
):
    before = lived_on(home, store, spawn)
    other = copy_home(home, "unbroken")
    args = ("backup", "restore", "latest")
    happened = events(spawn, tmp_path, *args, at=NOON, WA_HOME=str(other.path))
    after = contents(other.store)
    copies = numbers_of(happened, "call after_step")[-2:]
    assert len(copies) == 2
    for number in copies:
        copy = copy_home(home, "asked")
        start(spawn, number, *args, ending=ending, at=NOON, WA_HOME=str(copy.path)).finish()
        found = contents(copy.store)
        kept = [contents(path) for path in copy.backups.glob("replaced_*.db")]
        assert found == before or (found == after and kept == [before]), happened[number - 1]


def test_two_restores_within_one_second_keep_both_copies(home, store, wa):
    clock = FakeClock()
    fill(store, 0, 5)
    assert wa("backup", now=clock).code == 0
    clock.advance(hours=2)
    fill(store, 5, 5)
    before = contents(home.store)
    for _ in range(2):
        done = wa("backup", "restore", "latest", now=clock)
        assert done.code == 0, done.err
    assert before in [contents(path) for path in home.backups.glob("replaced_*.db")]
