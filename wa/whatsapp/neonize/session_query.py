"""A query of the WhatsApp library's database, in this process or as a program in a child process.

`session_db` runs `python -m wa.whatsapp.neonize.session_query`, which reads one query from standard input
and writes the rows to standard output, both as JSON.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

READ_SECONDS = 0.8
"""Seconds that a query waits for the library to finish writing."""


def read_rows(path: Path, sql: str, params: Sequence[str | bytes]) -> list[Any]:
    """Return the rows of a query."""
    with opened(path) as db:
        return db.execute(sql, params).fetchall()


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database to read, or a repaired copy of it if its last writer was killed."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=READ_SECONDS)) as db:
        try:
            db.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
        else:
            yield db
            return
    # The last writer was killed. Only a writer may roll back its journal, so that is done in a copy.
    with TemporaryDirectory(dir=path.parent, prefix="session.") as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(path, copy)
        shutil.copyfile(path.with_name(f"{path.name}-journal"), copy.with_name("copy-journal"))
        with closing(sqlite3.connect(copy)) as db:
            yield db


def main() -> None:
    """Answer the query of the parent process."""
    with open(0, encoding="utf-8") as asked:
        question = json.load(asked)
    params = [bytes.fromhex(each["hex"]) if isinstance(each, dict) else each for each in question["params"]]
    try:
        answer: dict[str, Any] = {"rows": read_rows(Path(question["path"]), question["sql"], params)}
    except (sqlite3.Error, OSError) as error:
        answer = {type(error).__name__: str(error)}
    with open(1, "w", encoding="utf-8") as told:
        json.dump(answer, told)


if __name__ == "__main__":
    main()
