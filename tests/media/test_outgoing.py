"""Files to send: they are checked and kept once in the home; bad files never stop wa."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from media_samples import MB, SAMPLES, large, picture, refused, zipped

from wa.media import details, kinds, outgoing, received
from wa.media.details import Details
from wa.media.kinds import Kind

pytest_plugins = ["media_fixture"]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user or mount a small disk")
NOBODY = 65534


# ── Too large for its kind ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["jpeg", "mp4", "mp3", "voice"])
def test_a_file_too_large_for_its_kind_is_a_document(tmp_path, name):
    data, kind, mimetype = SAMPLES[name]
    fits = large(tmp_path / "fits", data, 16 * MB)
    assert outgoing.kind_for_sending(fits) == Kind(kind, mimetype)
    too_large = large(tmp_path / "large", data, 16 * MB + 1)
    assert kinds.kind_of(too_large) == Kind(kind, mimetype)
    assert outgoing.kind_for_sending(too_large) == Kind("document", mimetype)


def test_a_document_is_a_document_at_any_size(tmp_path):
    path = large(tmp_path / "a.pdf", b"%PDF-1.7", 200 * MB)
    assert outgoing.kind_for_sending(path) == Kind("document", "application/pdf")


# ── What can be sent ────────────────────────────────────────────────────────────────────────────────


def test_a_file_can_be_sent(put, tmp_path, monkeypatch):
    path = put(b"hello", "a.txt")
    assert outgoing.check_sendable(path) == path
    monkeypatch.chdir(tmp_path)
    assert outgoing.check_sendable(Path("a.txt")) == path
    link = tmp_path / "link.txt"
    link.symlink_to(path)
    assert outgoing.check_sendable(link) == link


@pytest.mark.parametrize("name", ["nothing", "a.txt/nothing", "nu\0l", "lost"])
def test_a_missing_file_is_not_found(put, tmp_path, name):
    put(b"hello", "a.txt")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    for refuse in (outgoing.check_sendable, kinds.kind_of, outgoing.kind_for_sending):
        with refused("not-found", "there is no file"):
            refuse(tmp_path / name)


def test_a_missing_file_ends_with_4(tmp_path):
    with refused("not-found") as caught:
        outgoing.check_sendable(tmp_path / "nothing")
    assert caught.value.exit_status == 4


def test_a_circle_of_links_is_storage_error(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with refused("storage-error"):
        outgoing.check_sendable(tmp_path / "a")


def test_a_directory_is_refused_and_its_files_are_hinted_at(tmp_path):
    with refused("bad-data", "is a directory") as caught:
        outgoing.check_sendable(tmp_path)
    assert caught.value.hint == f"name the files in it: {tmp_path}/*"


@pytest.mark.timeout(20)
def test_a_pipe_is_neither_opened_nor_waited_for(home, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        for refuse in (outgoing.check_sendable, kinds.kind_of, lambda path: outgoing.keep(home, path)):
            with refused("bad-data", "is not a file"):
                refuse(tmp_path / name)
        assert details.of_file(tmp_path / name, Kind("video", "video/mp4")) == Details()


@pytest.mark.timeout(20)
def test_a_pipe_that_replaces_the_file_after_the_check_is_refused(put, monkeypatch):
    path = put(b"hello")
    real = Path.stat

    def swap(self, **options):
        found = real(self, **options)
        if self == path:
            path.unlink()
            os.mkfifo(path)
        return found

    monkeypatch.setattr(Path, "stat", swap)
    with refused("bad-data", "is empty"):
        outgoing.check_sendable(path)


def test_a_device_and_a_socket_are_refused(tmp_path, monkeypatch):
    with refused("bad-data", "is not a file"):
        outgoing.check_sendable(Path("/dev/zero"))
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind("s")
        with refused("bad-data", "is not a file"):
            outgoing.check_sendable(Path("s"))


def test_an_empty_file_is_refused(put, home):
    path = put(b"")
    with refused("bad-data", "is empty"):
        outgoing.check_sendable(path)
    with refused("bad-data", "is empty"):
        outgoing.keep(home, path)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(100 * MB + 1, "100.1 MB"), (200 * MB, "200 MB"), (5 * 1024**4, "5242880 MB")],
)
def test_a_file_of_more_than_100_mb_is_refused(tmp_path, home, size, shown):
    path = large(tmp_path / "big", b"x", size)
    for refuse in (outgoing.check_sendable, lambda path: outgoing.keep(home, path)):
        with refused("bad-data", f"is {shown}; files up to 100 MB can be sent"):
            refuse(path)


def test_a_file_of_exactly_100_mb_can_be_sent(tmp_path):
    assert outgoing.check_sendable(large(tmp_path / "big", b"x", 100 * MB))


@as_root
def test_a_file_without_read_permission_is_refused(home):
    with_dir = Path("/tmp") / f"wa-unreadable-{os.getpid()}"  # a folder that another user can enter
    with_dir.mkdir(mode=0o755)
    path = with_dir / "secret"
    path.write_bytes(b"x")
    path.chmod(0o600)
    assert outgoing.check_sendable(path)  # import all modules now: the user nobody may not read them
    os.seteuid(NOBODY)
    try:
        with refused("storage-error", "Permission denied") as caught:
            outgoing.check_sendable(path)
    finally:
        os.seteuid(0)
        shutil.rmtree(with_dir)
    assert caught.value.hint == f"check who owns {path}: ls -ld {path}"


# ── Kept in the home ────────────────────────────────────────────────────────────────────────────────


def outbox(home):
    """Return the names of the files in the outbox, hidden ones too."""
    folder = home.path / "media" / "outbox"
    return sorted(os.listdir(folder)) if folder.exists() else []


def test_a_file_is_kept_once(home, put):
    first, again = put(picture("PNG"), "a.png"), put(picture("PNG"), "other.png")
    again.write_bytes(first.read_bytes())
    kept, name = outgoing.keep(home, first)
    assert kept == f"media/outbox/{hashlib.sha256(first.read_bytes()).hexdigest()}.png"
    assert name == "a.png"
    assert (home.path / kept).read_bytes() == first.read_bytes()
    assert outgoing.keep(home, again) == (kept, "other.png")
    assert outbox(home) == [Path(kept).name]


def test_a_kept_file_is_for_its_owner_alone(home, put):
    old = os.umask(0)
    try:
        kept, _ = outgoing.keep(home, put(b"hello", "a.txt"))
    finally:
        os.umask(old)
    path = home.path / kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, home.path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", SAMPLES)
def test_a_copy_has_the_kind_of_its_source(home, put, name):
    path = put(SAMPLES[name][0], "name.bin")
    kept, _ = outgoing.keep(home, path)
    assert kinds.kind_of(home.path / kept) == kinds.kind_of(path)


@pytest.mark.parametrize(
    "name", ["a.csv", "a.json", "a.doc", "a.apk", "a.tar", "a.exe", "a.html", "a.md", "a"]
)
@pytest.mark.parametrize("data", [b"text", b"\0\1", zipped("a"), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_a_copy_keeps_the_type_that_the_name_of_its_source_gave(home, put, name, data):
    path = put(data, name)
    kept, _ = outgoing.keep(home, path)
    assert kinds.kind_of(home.path / kept) == kinds.kind_of(path)


def test_the_recipient_gets_a_safe_name(home, put, tmp_path):
    path = put(b"hello", "bill: \u202egpj.exe")
    assert outgoing.keep(home, path)[1] == "bill_ gpj.exe"
    link = tmp_path / "report.txt"
    link.symlink_to(path)
    assert outgoing.keep(home, link)[1] == "report.txt"
    hidden = put(b"x", ".-")
    assert outgoing.keep(home, hidden)[1] == "file"
    assert outgoing.keep(home, put(b"x", os.fsdecode(b"caf\xe9.txt")))[1] == "caf.txt"


def test_the_kind_is_that_of_the_copy_when_the_source_changes(home, put, monkeypatch):
    path = put(b"first" * 200_000, "a.txt")
    real = outgoing._read

    def change(path, source):
        piece = real(path, source)
        path.write_bytes(b"2")
        return piece

    monkeypatch.setattr(outgoing, "_read", change)
    kept, _ = outgoing.keep(home, path)
    data = (home.path / kept).read_bytes()
    assert Path(kept).stem == hashlib.sha256(data).hexdigest()
    assert data.startswith(b"first")
    assert 0 < len(data) < 1_000_000


def test_a_file_that_grows_while_it_is_copied_is_refused_at_the_limit(home, put, monkeypatch):
    path = put(b"x")
    monkeypatch.setitem(outgoing.LIMITS, "document", MB)
    monkeypatch.setattr(outgoing, "_read", lambda *_: b"x" * 300_000)
    with refused("bad-data", "files up to 1 MB"):
        outgoing.keep(home, path)
    assert outbox(home) == []


def test_a_file_that_becomes_empty_is_refused(home, put, monkeypatch):
    monkeypatch.setattr(outgoing, "_read", lambda *_: b"")
    with refused("bad-data", "is empty"):
        outgoing.keep(home, put(b"x"))
    assert outbox(home) == []


def test_a_file_that_cannot_be_read_to_its_end_is_storage_error(home, put, monkeypatch):
    path = put(b"x")

    class Damaged(io.BytesIO):
        def read(self, *_):
            raise OSError(errno.EIO, "no")

        def fileno(self):
            return os.open(path, os.O_RDONLY)

    real = os.fdopen
    monkeypatch.setattr(
        outgoing.os, "fdopen", lambda fd, mode, *rest: Damaged() if mode == "rb" else real(fd, mode, *rest)
    )
    with refused("storage-error", str(path), "Input/output error"):
        outgoing.keep(home, path)
    assert outbox(home) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_copy_that_fails_leaves_nothing(home, put, monkeypatch, call):
    path = put(b"x" * 1000)

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with refused("storage-error", "No space left"):
            outgoing.keep(home, path)
    assert outbox(home) == []
    outgoing.keep(home, path)
    assert len(outbox(home)) == 1


def test_an_interrupted_copy_leaves_nothing(home, put, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        outgoing.keep(home, put(b"x"))
    assert outbox(home) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of two megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@as_root
def test_a_full_disk_is_storage_error_and_leaves_nothing(small_disk, put):
    from wa.store.paths import Home

    home = Home(small_disk / "home")
    with refused("storage-error", "No space left") as caught:
        outgoing.keep(home, put(os.urandom(3 * MB)))
    assert "nothing was half-written" in caught.value.hint
    assert outbox(home) == []
    with refused("storage-error", "No space left"):
        received.write_new(small_disk / "downloads", "a.bin", os.urandom(3 * MB))
    assert os.listdir(small_disk / "downloads") == []
    assert outgoing.keep(home, put(b"small"))


def test_a_file_in_the_place_of_the_media_folder_is_storage_error(home, put):
    home.prepare()
    (home.path / "media").write_text("a file")
    with refused("storage-error"):
        outgoing.keep(home, put(b"x"))


def test_threads_that_keep_one_file_at_once_share_one_copy(home, put):
    path, kept = put(os.urandom(500_000), "a.bin"), []
    threads = [threading.Thread(target=lambda: kept.append(outgoing.keep(home, path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 8
    assert len(set(kept)) == 1
    assert outbox(home) == [Path(kept[0][0]).name]
