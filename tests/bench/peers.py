"""Everyday commands of other programs of this kind, as whole processes, for comparison: no goal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from bench import commands
from bench.processes import Sample, in_pipe
from bench.subjects import Subject
from bench.table import Row, compared
from bench.turns import Tell, in_turns

PACKAGES = ("khard", "httpie")
CARD = (
    "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{0}\r\nFN:Person {0}\r\nN:{0};Person;;;\r\n"
    "TEL;TYPE=CELL:+1 201 555 01{0:02d}\r\nEND:VCARD\r\n"
)


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"chats": []}')

    def log_message(self, *_: object) -> None:
        pass


def measure(subjects: list[Subject], scratch: Path, runs: int, tell: Tell) -> list[Row]:
    """Return a row for each program: our nearest command as ours, the other program as floor."""
    bin_folder, missing = _install(tell)
    ours = subjects[0]
    home = ours.home("small")
    if not home.store.exists():
        ours.call("bench.homes:lived_in", path=home.path, kind="small")
    cards = scratch / "khard" / "cards"
    cards.mkdir(parents=True)
    for number in range(30):
        (cards / f"{number}.vcf").write_bytes(CARD.format(number).encode())
    config = scratch / "khard" / "khard.conf"
    config.write_text(f"[addressbooks]\n[[people]]\npath = {cards}\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    everyday = (
        (("contacts", "list"), "khard list", "khard", ("-c", str(config), "list")),
        (("chats",), "sqlite-utils rows", "sqlite-utils", ("rows", str(home.store), "chats", "-t")),
        (("search", "birthday"), "http GET", "http",
         ("--ignore-stdin", "GET", f"http://127.0.0.1:{server.server_port}/")),
    )  # fmt: skip
    rows = []
    for mine, name, program, args in everyday:
        theirs = next((str(folder / program) for folder in bin_folder if (folder / program).exists()), None)
        what = f"for comparison: wa {' '.join(mine)}, {name} as floor"
        if theirs is None:
            rows.append(Row(what, note=f"left out, {missing or 'it is not installed'}"))
            continue
        tell(f"peers: {name}")
        cases: dict[str, Callable[[], Sample]] = {
            "ours": partial(in_pipe, (ours.wa, *mine), home.path),
            "floor": partial(in_pipe, (theirs, *args), home.path),
            "imports": partial(in_pipe, commands.IMPORTS, home.path),
        }
        taken = in_turns(cases, runs)
        wall = {key: [sample.seconds * 1000 for sample in samples] for key, samples in taken.items()}
        cpu = {key: [sample.cpu for sample in samples] for key, samples in taken.items()}
        rows.append(compared(what, "ms", wall["ours"], wall["floor"], cpu=(cpu["ours"], cpu["floor"])))
        what = f"for comparison: {name}, the bare imports as floor"
        rows.append(compared(what, "ms", wall["floor"], wall["imports"], cpu=(cpu["floor"], cpu["imports"])))
    server.shutdown()
    return rows


def _install(tell: Tell) -> tuple[list[Path], str]:
    """Install the programs once; return the folders that have programs, and what failed."""
    folder = Path(sys.prefix) / "peers"
    bins = [folder / "bin", Path(sys.executable).parent]
    if (folder / ".ready").exists():
        return bins, ""
    tell(f"peers: installing {', '.join(PACKAGES)}")
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        pip = [str(folder / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *PACKAGES]
        subprocess.run(pip, check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        return bins, f"pip cannot install it: {type(error).__name__}"
    (folder / ".ready").touch()
    return bins, ""
