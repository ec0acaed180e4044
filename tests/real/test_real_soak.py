"""A listener that runs for days: its memory, threads and files do not grow, and no message is lost."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import wait_for
from neonize_process import RemoteTransport

from wa.whatsapp.transport import ConnectFailed, Handlers

pytest_plugins = ["relay_fixture", "lived_in_fixture"]


def used(pid):
    """Return what a process holds: memory in MB, threads, open files."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "memory": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "threads": int(status["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


def test_a_long_time_without_a_network_costs_neither_files_nor_memory(own_relay, memory_path, tell):
    """As many tries to connect as in half a day with one every 30 seconds."""
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
    assert seen[1]["threads"] <= seen[0]["threads"] + 8  # Go keeps threads in reserve
    assert seen[1]["memory"] <= seen[0]["memory"] * 1.1


def wait_until_there(home, count):
    """Wait until so many messages are recorded."""
    wait_for(lambda: home.value("SELECT count(*) FROM messages") >= count, 90, f"{count} messages")


@pytest.mark.soak
@pytest.mark.console_script  # the memory is that of a user's process
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("total", "cuts"), [(10_000, 20), (100_000, 200)], ids=["reduced", "full"])
def test_many_messages_and_reconnects_cost_neither_files_nor_memory(lived_in, tell, total, cuts):
    adam = lived_in.relay.person("Adam")
    lived_in.link_quickly()
    process = lived_in.start("listen")
    wait_for(lambda: lived_in.is_connected, what="a connection")
    seen, said, first, last = [], [], cuts // 10, cuts - 1
    for number in range(cuts):
        said += adam.send_many(lived_in.us, [f"{number}.{each}" for each in range(total // cuts)])
        wait_until_there(lived_in, len(said) - total // cuts // 2)
        lived_in.us.drop()
        wait_until_there(lived_in, len(said))
        lived_in.wait_until_recorded()
        if number in (first, last):
            seen.append(used(process.pid))
    lived_in.stop(process)
    tell(messages=total, reconnects=cuts, first=seen[0], last=seen[1])
    found = [each for (each,) in lived_in.rows("SELECT message_id FROM messages ORDER BY id")]
    assert found == said
    assert seen[1]["files"] <= seen[0]["files"] + 2
    # Go keeps threads in reserve, and more of them on a busy machine; a thread a reconnect would be a leak.
    assert seen[1]["threads"] - seen[0]["threads"] < 16 + (last - first) / 2
    assert seen[1]["memory"] <= seen[0]["memory"] * 1.2 + 10
