"""A listener that stays for days: memory, threads and files stay what they were, and nothing is lost."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from neonize_process import RemoteTransport

from wa.transport import ConnectFailed, Handlers

pytest_plugins = ["relay_fixture", "lived_in_fixture"]


def used(pid):
    """What a process holds: memory in MB, threads, open files."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "memory": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "threads": int(status["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


def test_a_long_time_without_a_network_costs_neither_files_nor_memory(own_relay, memory_path, tell):
    """A try each half minute, for half a day or so."""
    from lived_in_fixture import LivedIn

    home = LivedIn(own_relay, memory_path)
    home.link_quickly()
    transport = RemoteTransport(home.home.path, home.env)
    own_relay.stop()
    handlers = Handlers(lambda kind, payload: None, lambda signal: None, lambda message_id, jid: None)
    seen = []
    try:
        for number in range(120):
            with suppress(ConnectFailed):
                transport.connect(handlers)
            if number in (20, 119):
                seen.append(used(transport.process.pid))
    finally:
        transport.end()
    tell(after_20=seen[0], after_120=seen[1])
    assert seen[1]["files"] <= seen[0]["files"] + 2
    assert seen[1]["threads"] <= seen[0]["threads"] + 2
    assert seen[1]["memory"] <= seen[0]["memory"] * 1.1
