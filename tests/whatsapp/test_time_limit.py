"""The time limit of uploads and downloads."""

from __future__ import annotations

import threading

import pytest
from conftest import wait_for

from wa.whatsapp.neonize import library
from wa.whatsapp.neonize.client import DOWNLOAD_SECONDS, download_seconds
from wa.whatsapp.neonize.library import in_time, seconds_for


@pytest.fixture
def silent():
    """A call that returns when the event is set."""
    over = threading.Event()
    yield over
    over.set()
    threads = [thread for left in library._left.values() for thread in left]
    wait_for(lambda: not any(thread.is_alive() for thread in threads))


def test_a_transfer_returns_its_result_or_raises_its_error():
    assert in_time("upload", 10, lambda: b"data") == b"data"
    with pytest.raises(ZeroDivisionError):
        in_time("upload", 10, lambda: b"data"[0 // 0])


def test_a_transfer_that_takes_too_long_is_given_up(silent):
    with pytest.raises(TimeoutError, match="did not answer within 0 seconds"):
        in_time("upload", 0.05, silent.wait)


def test_a_large_file_has_more_time():
    assert (seconds_for(0), seconds_for(5_000_000)) == (60, 160)


@pytest.mark.parametrize(("size", "seconds"), [(1, 60), (5_000_000, 160), (99_000_000, DOWNLOAD_SECONDS)])
def test_what_the_sender_says_of_a_file_keeps_no_download_waiting_for_long(size, seconds):
    assert download_seconds(size) == pytest.approx(seconds, abs=0.1)


def test_a_file_without_a_size_has_the_time_of_a_large_one():
    assert download_seconds(0) == DOWNLOAD_SECONDS


def test_no_third_transfer_is_begun_while_two_are_never_answered(silent):
    begun = []

    def call():
        begun.append(1)
        return silent.wait()

    for _ in range(2):
        with pytest.raises(TimeoutError, match="did not answer"):
            in_time("upload", 0.01, call)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="has not answered 2 earlier uploads"):
            in_time("upload", 60, call)
    wait_for(lambda: len(begun) == 2)
    assert in_time("download", 60, lambda: b"data") == b"data"
    silent.set()
    wait_for(lambda: not any(thread.is_alive() for thread in library._left["upload"]))
    assert in_time("upload", 60, lambda: b"data") == b"data"
