"""Measure, print the table, leave nothing behind. Exits with 0 whatever the numbers are."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import (
    backing,
    footprint,
    history,
    http_api,
    importing,
    searching,
    second_client,
    sending,
    whatsapp,
)
from bench.table import Row, render
from wa.store.paths import Home

SECTIONS = (
    "history",
    "start",
    "search",
    "memory",
    "send",
    "http",
    "queue",
    "lateness",
    "importing",
    "backup",
    "whatsapp",
    "baileys",
)
ON_HISTORY = {"history", "start", "search", "memory", "send", "http"}


@dataclass(frozen=True)
class Sizes:
    """The sizes of the measured data."""

    messages: int = 1_000_000
    runs: int = 9
    searches: int = 41
    queue: int = 10_000
    scheduled: int = 1_000
    scheduled_seconds: float = 60.0
    chats_bytes: int = 500_000_000
    cards: int = 10_000
    backed_up: int = 200_000
    incoming: int = 10_000
    outgoing: int = 1_000
    beside: int = 2_000
    requests: int = 2_000


QUICK = Sizes(
    messages=12_000,
    runs=2,
    searches=5,
    queue=300,
    scheduled=60,
    scheduled_seconds=2.0,
    chats_bytes=10_000_000,
    cards=500,
    backed_up=3_000,
    incoming=300,
    outgoing=50,
    beside=100,
    requests=80,
)


def tell(text: str) -> None:
    """Print the progress on stderr, beside the table."""
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")


def measure(scratch: Path, sizes: Sizes, only: set[str]) -> Iterator[Row]:
    """Measure the requested sections; a section that fails becomes a row that says so."""
    big = Home(scratch / "big")
    if "history" not in only and only & ON_HISTORY:
        history.build(big, sizes.messages, tell)
    sections: dict[str, Callable[[], list[Row]]] = {
        "history": lambda: history.measure(big, scratch, sizes.messages, tell),
        "start": lambda: footprint.start(big, sizes.runs, tell),
        "search": lambda: searching.measure(big, sizes.searches, tell),
        "memory": lambda: footprint.memory(big, tell),
        "send": lambda: sending.beside_listener(big, sizes.runs, tell),
        "http": lambda: http_api.measure(big, scratch, sizes.requests, max(sizes.runs, 5), tell),
        "queue": lambda: sending.pace(scratch, sizes.queue, tell),
        "lateness": lambda: sending.lateness(scratch, sizes.scheduled, sizes.scheduled_seconds, tell),
        "importing": lambda: importing.measure(scratch, sizes.chats_bytes, sizes.cards, tell),
        "backup": lambda: backing.measure(scratch, sizes.backed_up, min(sizes.runs, 5), tell),
        "whatsapp": lambda: whatsapp.measure(
            scratch, sizes.incoming, sizes.outgoing, min(sizes.runs, 5), tell
        ),
        "baileys": lambda: second_client.measure(scratch, sizes.beside, min(sizes.runs, 3), tell),
    }
    for name in SECTIONS:
        if name in only:
            yield from _attempt(name, sections[name])


def _attempt(name: str, section: Callable[[], list[Row]]) -> list[Row]:
    try:
        return section()
    except Exception as error:
        return [Row(f"{name}: not measured, {type(error).__name__}: {error}", "", met=False)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, under half a minute")
    parser.add_argument("--messages", type=int, metavar="N", help="messages in the store")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="some sections alone")
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    if options.messages:
        sizes = Sizes(**{**vars(sizes), "messages": options.messages})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="wa-bench-") as directory:
        try:
            rows.extend(measure(Path(directory), sizes, set(options.only)))
        except KeyboardInterrupt:
            tell("interrupted; this is what was measured until then")
    sys.stdout.write(render(rows))


if __name__ == "__main__":
    main()
