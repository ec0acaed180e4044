"""Output for people and programs: tables, lines and JSON, with other people's text made harmless."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TextIO, cast
from zoneinfo import ZoneInfo

from wa.as_json import public, to_json
from wa.cli.streams import Unwaiting, log_to, moved
from wa.errors import WaError
from wa.texts import clean, one_line

AT_ONCE = 16_384
"""Characters of a list that are written at once."""


def array(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield rows as one JSON array, in pieces, so that a long list takes little memory."""
    between = "["
    for row in rows:
        yield between + to_json(public(row))
        between = ",\n "
    yield "]\n" if between != "[" else "[]\n"


def usage_error(error: Any) -> WaError:
    """Return the WaError for an error of Typer's about the command line."""
    where = error.ctx.command_path if getattr(error, "ctx", None) else "wa"
    message = re.sub(r"a valid int(eger)?( range)?$", "a whole number", error.format_message().rstrip("."))
    hint = f"{where} --help"
    if "unexpected extra argument" in message:
        hint = f'put a name or text of several words in quotes, such as "Nadia Sample"; {hint}'
    return WaError("usage", message, hint)


def write_error(stream: TextIO, error: WaError, *, as_json: bool) -> None:
    """Write an error for people, in one or two lines, or as one JSON value."""
    if as_json:
        detail = {"code": error.code, "message": error.message, "hint": error.hint}
        stream.write(to_json({"error": detail}) + "\n")
        return
    stream.write(f"error: {one_line(error.message)}\n")
    if error.hint:
        stream.write(f"hint: {one_line(error.hint)}\n")


class Progress:
    """Progress bars on a terminal, one for each file or chat."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def begin(self, name: str, size: int) -> Callable[[int], object]:
        """Begin a bar for `size` bytes or messages; return the function that moves it by a number of them."""
        if self._bar is None:
            return lambda read: None
        task = self._bar.add_task(name, total=size)
        return lambda read: self._bar.update(task, advance=read)


class Output:
    """The output of a command: data on stdout, messages for people on stderr."""

    def __init__(self, out: TextIO, err: TextIO, *, json: bool, zone: Callable[[], ZoneInfo]) -> None:
        self.json = json
        self._out = out
        self._err = err
        self._zone = zone

    def keep_descriptors(self, *, errors: bool) -> None:
        """Move our streams away from descriptor 1 and, with `errors`, from descriptor 2.

        A library that prints to these descriptors by itself would spoil the data that a
        program reads there; from now on the library's output is dropped.
        """
        self._out = sys.stdout = moved(self._out, 1)
        if errors:
            self._err = sys.stderr = moved(self._err, 2)

    def wait_for_no_reader(self) -> None:
        """Drop, from now on, the notes and the log for which standard error has no room."""
        with suppress(OSError):  # the stream has no descriptor
            self._err = sys.stderr = cast(TextIO, Unwaiting(self._err))
            log_to(self._err)

    @property
    def on_terminal(self) -> bool:
        """Return whether standard output is a terminal, whose width limits a table."""
        return not self.json and self._out.isatty()

    @property
    def size(self) -> os.terminal_size:
        """Return the columns and lines of the terminal, wherever `keep_descriptors` has moved it."""
        found = shutil.get_terminal_size()  # COLUMNS and LINES come first
        with suppress(OSError, ValueError):
            ours = os.get_terminal_size(self._out.fileno())
            found = os.terminal_size(
                here if name not in os.environ else there
                for name, here, there in zip(("COLUMNS", "LINES"), ours, found, strict=True)
            )
        return found

    @property
    def width(self) -> int:
        """Return the columns of the terminal."""
        return self.size.columns

    @property
    def _is_bold(self) -> bool:
        return self.on_terminal and os.environ.get("TERM") != "dumb"

    def heading(self, text: str) -> None:
        """Print a heading, in bold on a terminal."""
        from wa.cli.terminal import strong

        text = one_line(text)
        self._put((strong(text) if self._is_bold else text) + "\n")

    def time(self, moment: datetime | None, *, seconds: bool = False) -> str:
        """Return a moment as text in the zone of the settings, "" for None."""
        form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
        return moment.astimezone(self._zone()).strftime(form) if moment else ""

    def _put(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise WaError(
                "storage-error", f"cannot write the output: {error.strerror}", "the command itself is done"
            ) from error

    def _put_all(self, pieces: Iterable[str]) -> None:
        """Print many pieces, as many at a time as a pipe takes."""
        kept: list[str] = []
        size = 0
        for piece in pieces:
            kept.append(piece)
            size += len(piece)
            if size >= AT_ONCE:
                self._put("".join(kept))
                kept, size = [], 0
        self._put("".join(kept))

    def success(self, value: Mapping[str, Any], text: str) -> None:
        """Print the result of an action that cannot be undone; if printing fails, only warn."""
        with self.even_unheard(text):
            self.result(value, text)

    @contextmanager
    def even_unheard(self, text: str) -> Iterator[None]:
        """Warn with `text` and go on if the block, which prints the result of an action, cannot print.

        Do not warn when the reader of the output has gone away.
        """
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
        except WaError as error:
            self.note(f"warning: {error.message}; {text}")

    def note(self, text: str) -> None:
        """Write a line for people to standard error; a failure to write is ignored."""
        with suppress(OSError):
            self._err.write(clean(text) + "\n")
            self._err.flush()

    def error(self, error: WaError) -> None:
        """Write the error with which the process is about to end without returning to `main`."""
        with suppress(OSError):
            write_error(self._err, error, as_json=self.json)
            self._err.flush()

    @contextmanager
    def progress(self, *, in_bytes: bool = True) -> Iterator[Progress]:
        """Show progress bars on a terminal, in bytes or in plain numbers; show nothing elsewhere."""
        if self.json or not self._err.isatty():
            yield Progress(None)
            return
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(file=self._err), transient=True) as bar:
            yield Progress(bar)

    def line(self, text: str) -> None:
        """Print a line of data for people, and nothing with --json."""
        if not self.json:
            self._put(clean(text) + "\n")

    def data(self, text: str) -> None:
        """Print a part of a file unchanged; on a terminal, cleaned."""
        self._put(clean(text) if self._out.isatty() else text)

    def picture(self, drawn: str, caption: str, over: int) -> int:
        """Print a QR code and its caption; on a terminal, in place of the last `over` lines.

        Return the number of lines of the terminal that it takes.
        """
        from wa.cli.terminal import columns_of

        up = f"\x1b[{over}A\x1b[J" if over and self._out.isatty() else ""
        self._put(up + drawn)
        self.note(caption)
        return drawn.count("\n") + (-(-columns_of(caption) // self.width) if self._err.isatty() else 0)

    def event(self, row: Mapping[str, Any], text: str) -> None:
        """Print an event: as JSON on one line, or as a line of text."""
        self._put((to_json(public(row)) if self.json else clean(text)) + "\n")

    def result(self, value: Mapping[str, Any], text: str) -> None:
        """Print the one result of a command."""
        self.event(value, text)

    def streamed(self, value: Mapping[str, Any], name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print one JSON object whose last member, of that name, is a long list of rows."""
        self._put(f"{to_json(public(value))[:-1]}, {to_json(name)}: ")
        self._put_all(array(rows))
        self._put("}\n")

    def table(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: Sequence[str],
        cells: Callable[[Any], Sequence[object]],
        empty: str,
        *,
        is_short: bool = False,
    ) -> None:
        """Print rows: an array in JSON, a table on a terminal, tab-separated lines in a pipe.

        On a terminal, a row is one line with `is_short`; else a long text in the last column goes on below.
        """
        if self.json:
            self._put_all(array(rows))
        elif self.on_terminal:
            from wa.cli.terminal import table

            shown = [[one_line(cell) for cell in cells(row)] for row in rows]
            if shown:
                self._put(table(columns, shown, self.width, bold=self._is_bold, is_short=is_short))
            else:
                self.note(empty)
        else:
            self._put_all("\t".join([one_line(cell) for cell in cells(row)]) + "\n" for row in rows)
