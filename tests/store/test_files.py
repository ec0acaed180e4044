"""Writing a file: readable by its owner alone, whole and synced, or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from wa.errors import WaError
from wa.store.files import create, part_file, put, sync_folder, write_file


@pytest.fixture
def folder(tmp_path):
    """A directory with nothing in it."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def fail(code):
    """Return a function that raises an OSError, as a refused system call does."""

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_file_has_its_name_once_it_is_written(folder):
    with part_file(folder) as part:
        part.write(b"Hello")
        assert not (folder / "a").exists()
        put(part, folder / "a")
        assert (folder / "a").read_bytes() == b"Hello"
    assert os.listdir(folder) == ["a"]
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o600


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(folder, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, lambda *_, name=name: calls.append(name))
    with part_file(folder) as part:
        put(part, folder / "a")
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_a_file_that_is_not_finished_leaves_nothing(folder, error):
    def write():
        with part_file(folder) as part:
            part.write(b"Hello")
            raise error

    with pytest.raises(error):
        write()
    assert os.listdir(folder) == []


def test_an_existing_file_is_replaced_or_refused(folder):
    (folder / "a").write_text("old")
    with part_file(folder) as part:
        part.write(b"new")
        with pytest.raises(FileExistsError):
            put(part, folder / "a", replacing=False)
        assert (folder / "a").read_text() == "old"
        put(part, folder / "a")
    assert (folder / "a").read_text() == "new"
    assert os.listdir(folder) == ["a"]


def test_the_part_of_a_killed_process_is_replaced(folder):
    code = (
        "import os, sys, signal; from pathlib import Path; from wa.store.files import part_file\n"
        "with part_file(Path(sys.argv[1]), 'one') as part:\n"
        "    part.write(b'half'); part.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, folder], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert os.listdir(folder) == [".wa-one.part"]
    with part_file(folder, "one") as part:
        part.write(b"whole")
        put(part, folder / "a")
    assert os.listdir(folder) == ["a"]
    assert (folder / "a").read_bytes() == b"whole"


def test_a_new_file_replaces_a_link_and_not_its_target(folder):
    (folder / "other").write_text("kept")
    (folder / "a").symlink_to(folder / "other")
    create(folder / "a").close()
    assert not (folder / "a").is_symlink()
    assert (folder / "other").read_text() == "kept"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_filesystem_that_cannot_sync_a_directory_is_good_enough(folder, monkeypatch, code):
    monkeypatch.setattr(os, "fsync", fail(code))
    sync_folder(folder)


def test_a_directory_that_could_not_be_synced_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(folder)


def test_a_text_replaces_a_file_whole_or_leaves_it_unchanged(folder):
    path = folder / "a.txt"
    write_file(path, ["first\n", "Zoë\n"])
    assert path.read_bytes() == "first\nZoë\n".encode()

    def broken():
        yield "second"
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(WaError, match="No space left") as told:
        write_file(path, broken())
    assert told.value.code == "storage-error"
    assert path.read_text(encoding="utf-8").startswith("first")
    assert os.listdir(folder) == ["a.txt"]


def test_a_text_goes_where_a_link_leads_and_into_a_pipe(folder):
    (folder / "real").write_text("old")
    (folder / "link").symlink_to(folder / "real")
    write_file(folder / "link", ["new"])
    assert (folder / "link").is_symlink()
    assert (folder / "real").read_text() == "new"
    os.mkfifo(folder / "pipe")
    with subprocess.Popen(["cat", folder / "pipe"], stdout=subprocess.PIPE) as reader:
        write_file(folder / "pipe", ["through"])
        assert reader.communicate()[0] == b"through"


@pytest.mark.parametrize(
    "make",
    [lambda path: path.write_text("old"), lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()],
)
def test_a_new_text_file_replaces_no_file(folder, make):
    make(folder / "a")
    with pytest.raises(FileExistsError):
        write_file(folder / "a", ["new"], replacing=False)
    assert os.listdir(folder) == ["a"]
    assert not (folder / "nowhere").exists()


def test_a_new_text_file_replaces_no_file_that_was_made_meanwhile(folder):
    def pieces():
        yield "new"
        (folder / "a").write_text("other")

    with pytest.raises(FileExistsError):
        write_file(folder / "a", pieces(), replacing=False)
    assert (folder / "a").read_text() == "other"
    assert os.listdir(folder) == ["a"]


def test_a_text_is_not_written_to_a_directory(folder):
    with pytest.raises(WaError, match="Is a directory"):
        write_file(folder, ["x"])
