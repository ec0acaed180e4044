"""The checkouts of wa that are measured: this one, and perhaps another beside it.

The homes of a checkout are made, and its functions called, by processes of its own Python, with the same
modules of this benchmark: the other checkout may have another schema.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wa.store.paths import Home

TESTS = Path(__file__).parent.parent
_PATHS = [str(TESTS), str(TESTS / "support")]
_RUN = f"import sys; sys.path[:1] = {_PATHS!r}; from bench import worker; worker.main()"
"""A program without the current directory on its path, which may have another `wa` in it."""


@dataclass(frozen=True)
class Subject:
    """A checkout: `ours` or `beside`, its Python, and the folder of its homes."""

    name: str
    python: str
    folder: Path

    @property
    def wa(self) -> str:
        """The command."""
        return str(Path(self.python).parent / "wa")

    def home(self, name: str) -> Home:
        """Return a home of this checkout."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return Home(path)

    def call(self, target: str, **args: Any) -> Any:
        """Call a function, named like "bench.homes:fill", in a process of its own; return its result."""
        worker = Worker(self, target, **args)
        try:
            return worker.made
        finally:
            worker.close()


def ours(scratch: Path) -> Subject:
    """Return this checkout."""
    return Subject("ours", sys.executable, scratch / "ours")


def other(wa: Path, scratch: Path) -> Subject:
    """Return the checkout of another `wa` command, which is in the same folder as its Python."""
    python = wa.absolute().parent / "python"
    if not (wa.exists() and python.exists()):
        raise FileNotFoundError(f"{wa} is no command of an environment: there has to be a python beside it")
    return Subject("beside", str(python), scratch / "beside")


class Worker:
    """A process of a checkout that holds an object of this benchmark and calls its methods."""

    def __init__(self, subject: Subject, target: str, **args: Any) -> None:
        self._process = subprocess.Popen(
            [subject.python, "-c", _RUN, target, json.dumps(args, default=os.fspath)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.made = self._answer()
        """What the target returned, if it is no object with methods."""

    def do(self, method: str, **args: Any) -> Any:
        """Call a method; return its result."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([method, args], default=os.fspath) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended with {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process, when it has done what it does last."""
        self._process.communicate(timeout=60)


def each(subjects: list[Subject], make: Callable[[Subject], Any]) -> dict[str, Any]:
    """Return what `make` makes for each checkout, by its name."""
    return {subject.name: make(subject) for subject in subjects}
