"""The time limit of uploads and downloads."""

from __future__ import annotations

import threading

import pytest

from wa.whatsapp.neonize import library
from wa.whatsapp.neonize.library import in_time


def test_a_transfer_returns_its_result_or_raises_its_error():
    assert in_time(10, lambda: b"data") == b"data"
    with pytest.raises(ZeroDivisionError):
        in_time(10, lambda: b"data"[0 // 0])


def test_a_transfer_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(library, "LEAST_SECONDS", 0.05)
    over = threading.Event()
    with pytest.raises(TimeoutError, match="did not answer"):
        in_time(100, over.wait)
    over.set()


def test_a_large_file_has_more_time(monkeypatch):
    monkeypatch.setattr(library, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(library, "SLOWEST", 1000)
    over = threading.Event()
    threading.Timer(0.1, over.set).start()
    assert in_time(20_000, over.wait)
