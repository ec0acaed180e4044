"""Fixtures for tests of media: a function that writes a file, and a machine without ffmpeg."""

from __future__ import annotations

import pytest

from wa.media import details


@pytest.fixture
def put(tmp_path):
    """Write a file: `put(data, name)`."""

    def write(data, name="file"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def no_ffmpeg(monkeypatch):
    """A machine without ffmpeg."""
    monkeypatch.setattr(details.shutil, "which", lambda _: None)
