"""Both catalogs of backups, that of a directory and that of a bucket; and backups made by a job."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest
from conftest import REEM

from wa.backup import history, restore
from wa.backup.backups import Backups
from wa.backup.catalog import FOLDER, LocalCatalog, RemoteCatalog
from wa.backup.make import make_backup
from wa.backup.names import CHECKSUM, checksum_line
from wa.backup.packing import digest
from wa.backup.retention import prune
from wa.errors import WaError
from wa.settings import BackupKeys, Storage, parse_storage

pytest_plugins = ["s3_server"]

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
NAME = "whatsapp_20261120_110000.db.zst"
OLDER = "whatsapp_20261120_090000.db.zst.age"
CONTENT = b"packed " * 1000


class Directory:
    """The files of a local catalog."""

    def __init__(self, path):
        self.path = path
        self.catalog = LocalCatalog(path)

    def put(self, name, data):
        """Put a file in its place without the catalog."""
        (self.path / name).write_bytes(data)

    def files(self):
        """Return all files, with their content."""
        return {each.name: each.read_bytes() for each in self.path.iterdir()}


class InBucket:
    """The objects of a remote catalog."""

    def __init__(self, bucket):
        self.bucket = bucket
        storage = parse_storage(bucket.settings())
        assert isinstance(storage, Storage)
        self.folder = storage.prefix + FOLDER
        self.catalog = RemoteCatalog(storage)

    def put(self, name, data):
        """Put an object in its place without the catalog."""
        self.bucket.put(self.folder + name, data)

    def files(self):
        """Return all objects, with their content."""
        client = self.bucket.server.client()
        return {
            key.removeprefix(self.folder): client.get_object(Bucket=self.bucket.name, Key=key)["Body"].read()
            for key in self.bucket.keys()  # noqa: SIM118
        }


@pytest.fixture(params=["directory", "bucket"])
def place(request, tmp_path):
    """An empty place for backups, of either kind."""
    if request.param == "bucket":
        return InBucket(request.getfixturevalue("bucket"))
    (tmp_path / "backups").mkdir()
    return Directory(tmp_path / "backups")


@pytest.fixture
def parts(tmp_path):
    """A directory for half-made files."""
    path = tmp_path / "parts"
    path.mkdir()
    return path


def add(place, parts, name, content=CONTENT):
    """Add a backup to a catalog; return the record of its file."""
    path = parts / name
    path.write_bytes(content)
    packed = digest(path)
    place.catalog.add(name, path, packed)
    return packed


def test_an_added_backup_has_its_checksum_and_can_be_read(place, parts):
    packed = add(place, parts, NAME)
    assert place.files() == {NAME: CONTENT, NAME + CHECKSUM: checksum_line(NAME, packed.sha256)}
    assert place.catalog.sizes == {NAME: len(CONTENT)}
    place.catalog.look()
    assert place.catalog.sizes == {NAME: len(CONTENT)}
    assert place.catalog.checksum(NAME) == packed.sha256
    (parts / NAME).unlink(missing_ok=True)
    with place.catalog.file(NAME, parts) as path:
        assert path.read_bytes() == CONTENT
    assert os.listdir(parts) == []


def test_only_a_file_with_a_backup_s_name_and_a_checksum_is_a_backup(place, parts):
    add(place, parts, NAME)
    for name in ("notes.txt", "whatsapp_20261131_000000.db.zst", OLDER):
        place.put(name, b"x")
    place.catalog.look()
    assert set(place.catalog.sizes) == {NAME}


def test_a_removed_backup_is_gone_with_its_checksum(place, parts):
    add(place, parts, NAME)
    add(place, parts, OLDER)
    place.catalog.remove(NAME)
    assert set(place.files()) == {OLDER, OLDER + CHECKSUM}
    assert set(place.catalog.sizes) == {OLDER}
    place.catalog.remove(NAME)  # the backup is gone already


def test_checksums_that_a_killed_process_left_are_removed_and_no_others(place, parts):
    add(place, parts, NAME)
    place.put(OLDER + CHECKSUM, b"x")
    place.put("notes.txt.sha256", b"x")
    place.catalog.look()
    place.catalog.remove_lone_checksums(NOON - timedelta(hours=1))
    assert set(place.files()) == {NAME, NAME + CHECKSUM, "notes.txt.sha256"}


def test_a_checksum_stays_when_its_backup_was_added_meanwhile(place, parts):
    place.put(NAME + CHECKSUM, b"x")
    place.catalog.look()
    add(place, parts, NAME)
    place.catalog.remove_lone_checksums(NOON + timedelta(days=1))
    assert set(place.files()) == {NAME, NAME + CHECKSUM}


def test_a_backup_that_is_copied_to_this_machine_meanwhile_stays(tmp_path):
    (tmp_path / "backups").mkdir()
    here = Directory(tmp_path / "backups")
    here.put(NAME + CHECKSUM, b"x")
    here.catalog.look()
    here.put(NAME, CONTENT)
    here.catalog.remove_lone_checksums(NOON + timedelta(days=1))
    assert set(here.files()) == {NAME, NAME + CHECKSUM}


@pytest.mark.parametrize(
    "line", [b"", b"x", b"0" * 64, b"0" * 64 + b"  another\n", b"0" * 5000, NAME.encode()]
)
def test_a_checksum_file_of_another_form_is_not_a_checksum(place, line):
    place.put(NAME + CHECKSUM, line)
    assert place.catalog.checksum(NAME) is None


def test_an_empty_place_has_no_backup(place):
    place.catalog.look()
    assert place.catalog.sizes == {}
    assert place.catalog.checksum(NAME) is None


def test_a_bucket_with_another_backup_of_that_name_is_reported(bucket, parts):
    place = InBucket(bucket)
    first = add(place, parts, NAME)
    place.catalog.add(NAME, parts / NAME, first)  # the same backup: it is there already
    with pytest.raises(WaError, match="the bucket has another"):
        add(place, parts, NAME, b"other")


def test_a_job_can_do_with_backups_what_the_commands_do(home, store, wa, bucket):
    wa("contacts", "add", "Reem", REEM)
    now = NOON
    backups = Backups(home, parse_storage(bucket.settings()), BackupKeys(None, None), lambda: now)
    made = [make_backup(backups, store)["name"]]
    now += timedelta(minutes=10)
    made.append(make_backup(backups, store)["name"])
    assert history.describe(store, now) == {
        "last_at": now,
        "waiting": 0,
        "trouble": None,
        "ahead": None,
    }
    assert [(row["name"], row["local"], row["remote"]) for row in backups.rows()] == [
        (made[1], True, True),
        (made[0], True, True),
    ]
    assert restore.verify(backups, "latest")["places"] == ["here", "in the storage"]
    now += timedelta(hours=2)
    assert prune(backups, store, dry_run=True) == prune(backups, store) == [made[0]]
    wa("contacts", "remove", "Reem")
    done = restore.restore(backups, "latest", "loopback")
    assert restore.advice(done)[-1] == (
        "stop wa on any other machine, look at `wa schedule list`, then `wa resume`"
    )
    assert [row["name"] for row in wa("contacts", "list", "--json").json] == ["Reem"]
