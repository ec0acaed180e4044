"""Measure, print the table, leave nothing behind. Exits with 0 whatever the numbers are."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import fork_server

from bench import (
    backing,
    commands,
    footprint,
    history,
    http_api,
    importing,
    peers,
    searching,
    second_client,
    sending,
    subjects,
    whatsapp,
)
from bench.processes import clean_environment
from bench.subjects import Subject
from bench.table import Row, as_json, render

ON_HISTORY = {"search", "backup"}
"""Sections that need the store that `history` makes."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of the measured data."""

    messages: int = 1_000_000
    rounds: int = 9
    """Rounds of short commands."""
    few: int = 5
    """Rounds of what takes seconds."""
    queries: int = 40
    queue: int = 2_000
    scheduled: int = 1_000
    scheduled_seconds: float = 60.0
    chats: int = 40_000_000
    """Bytes of the old tool's chats."""
    chats_peak: int = 500_000_000
    lines: int = 100_000
    cards: int = 10_000
    asleep: float = 10.0
    """Seconds in which wake-ups are counted."""
    incoming: int = 5_000
    outgoing: int = 200
    received: int = 100_000
    """Messages after which the memory of a listener is looked at again."""
    beside: int = 2_000
    requests: int = 2_000


QUICK = Sizes(
    messages=4_000,
    rounds=2,
    few=2,
    queries=5,
    queue=100,
    scheduled=60,
    scheduled_seconds=2.0,
    chats=2_000_000,
    chats_peak=4_000_000,
    lines=2_000,
    cards=300,
    asleep=1.0,
    incoming=100,
    outgoing=20,
    received=300,
    beside=100,
    requests=80,
)


def tell(text: str) -> None:
    """Print the progress on stderr, beside the table."""
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")


def sections(measured: list[Subject], scratch: Path, sizes: Sizes) -> dict[str, Callable[[], list[Row]]]:
    """Return what measures each section, by its name, in the order of a run."""
    few, rounds = sizes.few, sizes.rounds
    return {
        "history": lambda: history.measure(measured, scratch, sizes.messages, tell),
        "search": lambda: searching.measure(measured, sizes.queries, few, tell),
        "backup": lambda: backing.measure(measured, scratch, sizes.messages, few, tell),
        "commands": lambda: commands.measure(measured, rounds, tell),
        "peers": lambda: peers.measure(measured, scratch, rounds, tell),
        "memory": lambda: footprint.memory(measured, few, tell),
        "wakeups": lambda: footprint.wakeups(measured, sizes.asleep, few, tell),
        "library": lambda: footprint.loading(measured, scratch, rounds, tell),
        "send": lambda: sending.beside_listener(measured, rounds, tell),
        "queue": lambda: sending.pace(measured, sizes.queue, few, tell),
        "lateness": lambda: sending.lateness(measured, sizes.scheduled, sizes.scheduled_seconds, tell),
        "migrate": lambda: importing.migrated(measured, scratch, sizes.chats, sizes.chats_peak, few, tell),
        "export-chat": lambda: importing.exported(measured, scratch, sizes.lines, few, tell),
        "vcards": lambda: importing.cards(measured, scratch, sizes.cards, few, tell),
        "http": lambda: http_api.measure(measured, scratch, sizes.requests, few, tell),
        "whatsapp": lambda: whatsapp.measure(
            measured, scratch, whatsapp.Sizes(sizes.incoming, sizes.outgoing, sizes.received, few), tell
        ),
        "baileys": lambda: second_client.measure(measured, scratch, sizes.beside, few, tell),
    }


NAMES = tuple(sections([], Path(), Sizes()))


def measure(measured: list[Subject], scratch: Path, sizes: Sizes, only: set[str]) -> Iterator[Row]:
    """Measure the requested sections; a section that fails becomes a row that says so."""
    if "history" not in only and only & ON_HISTORY:
        history.build(measured, scratch, sizes.messages, tell)
    for name, section in sections(measured, scratch, sizes).items():
        if name in only:
            try:
                yield from section()
            except Exception as error:
                yield Row(f"{name}: not measured", met=False, note=f"{type(error).__name__}: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, a minute in all")
    parser.add_argument("--messages", type=int, metavar="N", help="messages in the store")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="some sections alone")
    parser.add_argument("--json", action="store_true", help="JSON on stdout in place of the table")
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="WA",
        help="the command of another checkout, measured in the same rounds",
    )
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    if options.messages:
        sizes = replace(sizes, messages=options.messages)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    clean_environment()
    fork_server.IS_POSSIBLE = False  # each process starts as a user's does
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="wa-bench-") as directory:
        scratch = Path(directory)
        measured = [subjects.ours(scratch)]
        if options.beside:
            measured.append(subjects.other(options.beside, scratch))
        try:
            rows.extend(measure(measured, scratch, sizes, set(options.only)))
        except KeyboardInterrupt:
            tell("interrupted; this is what was measured until then")
    sys.stdout.write(as_json(rows) if options.json else render(rows))


if __name__ == "__main__":
    main()
