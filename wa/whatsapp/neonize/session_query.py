"""A query of the WhatsApp library's database, in this process or as a program in a child process.

`session_db` runs this file as a program, which reads one query from standard input and writes the rows to
standard output, both as JSON. It runs at each connection, so it imports only a few small modules of the
standard library: without `pathlib` and `typing` it takes 19 ms in place of 27.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

READ_SECONDS = 0.8
"""Seconds that a query waits for the library to finish writing."""


def read_rows(path: str, sql: str, params: Sequence[str | bytes]) -> list[Any]:
    """Return the rows of a query."""
    with opened(path) as db:
        return db.execute(sql, params).fetchall()


@contextmanager
def opened(path: str) -> Iterator[sqlite3.Connection]:
    """Open the database to read, or a repaired copy of it if its last writer was killed."""
    escaped = os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    with closing(sqlite3.connect(f"file:{escaped}?mode=ro", uri=True, timeout=READ_SECONDS)) as db:
        try:
            db.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
        else:
            yield db
            return
    import shutil
    from tempfile import TemporaryDirectory

    # The last writer was killed. Only a writer may roll back its journal, so that is done in a copy.
    with TemporaryDirectory(dir=os.path.dirname(path), prefix="session.") as folder:
        copy = os.path.join(folder, "copy")
        shutil.copyfile(path, copy)
        shutil.copyfile(f"{path}-journal", f"{copy}-journal")
        with closing(sqlite3.connect(copy)) as db:
            yield db


def main() -> None:
    """Answer the query of the parent process."""
    with open(0, encoding="utf-8") as asked:
        question = json.load(asked)
    params = [bytes.fromhex(each["hex"]) if isinstance(each, dict) else each for each in question["params"]]
    try:
        answer: dict[str, Any] = {"rows": read_rows(question["path"], question["sql"], params)}
    except (sqlite3.Error, OSError) as error:
        answer = {type(error).__name__: str(error)}
    with open(1, "w", encoding="utf-8") as told:
        json.dump(answer, told)


if __name__ == "__main__":
    main()
