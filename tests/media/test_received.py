"""Writing received files: whole or not at all, and no file is overwritten."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest
from media_samples import refused

from wa.media import names, received

pytest_plugins = ["media_fixture"]


def test_no_file_is_overwritten(tmp_path):
    folder = tmp_path / "new" / "downloads"
    made = [received.write_new(folder, "a.tar.gz", bytes([number])).name for number in range(3)]
    assert made == ["a.tar.gz", "a.tar (2).gz", "a.tar (3).gz"]
    assert [(folder / name).read_bytes() for name in made] == [b"\0", b"\1", b"\2"]
    assert sorted(os.listdir(folder)) == sorted(made)
    assert stat.S_IMODE((folder / "a.tar.gz").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_name_taken_by_a_link_or_a_directory_is_not_used(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a (2)").symlink_to("/nowhere/at/all")
    assert names.free_name(tmp_path, "a") == tmp_path / "a (3)"
    assert names.free_name(tmp_path, "b.txt") == tmp_path / "b.txt"
    assert received.write_new(tmp_path, "a", b"x").name == "a (3)"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/x", "a/b", "a\0b"])
def test_a_text_that_is_no_file_name_is_a_value_error(tmp_path, name):
    with pytest.raises(ValueError, match="is not the name of a file"):
        received.write_new(tmp_path / "in", name, b"x")
    assert os.listdir(tmp_path / "in") == []


@pytest.mark.parametrize("links", [True, False])
def test_threads_that_write_one_name_at_once_get_different_names(tmp_path, monkeypatch, links):
    def no_link(source, target):
        raise PermissionError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    folder = tmp_path / "in"
    folder.mkdir()
    threads = [
        threading.Thread(target=received.write_new, args=(folder, "a.txt", b"%d" % number))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.read_bytes() for path in folder.iterdir()} == {b"%d" % number for number in range(12)}
    assert len(os.listdir(folder)) == 12


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "replace", fail)
    with refused("storage-error", "Input/output error"):
        received.write_new(tmp_path / "in", "a.txt", b"x")
    assert os.listdir(tmp_path / "in") == []


def test_a_file_in_the_place_of_the_folder_is_storage_error(put):
    with refused("storage-error"):
        received.write_new(put(b"x"), "a.txt", b"x")


def test_a_name_too_long_for_the_disk_is_storage_error(tmp_path):
    with refused("storage-error", "File name too long"):
        received.write_new(tmp_path, "a" * 300, b"x")
    assert received.write_new(tmp_path, names.safe_name("報" * 300, "x", ".txt"), b"x").exists()
