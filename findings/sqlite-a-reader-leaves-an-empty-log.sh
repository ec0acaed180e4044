#!/bin/sh
# A connection that may only read (mode=ro) makes two files beside a database in WAL mode, an empty log and its index,
# and leaves them there when it is closed. A connection that may write removes them when it is the last one.
# One expects a reader to leave a folder as it was, or to tidy up what it has made: who compares or packs the folder
# afterwards finds files that nobody wrote.
# Version: apsw 3.50.4.0 (SQLite 3.50.4)
# Source: https://sqlite.org/wal.html: "Read-Only Databases" tells that the two files must be there or be made, and
#   other sections that the log is usually removed when the last connection closes
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check apsw==3.50.4.0 2>/dev/null
seen=$("$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import sys

import apsw

folder = os.path.join(sys.argv[1], "data")
os.mkdir(folder)
path = os.path.join(folder, "a.db")


def files_after(name, flags, statement):
    """Return the files in the folder once a connection has run a statement and is closed."""
    db = apsw.Connection(name, flags=flags | apsw.SQLITE_OPEN_URI)
    list(db.execute(statement))
    db.close()
    return ",".join(sorted(os.listdir(folder)))


write = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
made = files_after(path, write, "PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
read = files_after(f"file:{path}?mode=ro", apsw.SQLITE_OPEN_READONLY, "SELECT * FROM t")
size = os.path.getsize(f"{path}-wal") if os.path.exists(f"{path}-wal") else "none"
again = files_after(path, write, "SELECT * FROM t")
print(made, read, size, again)
PYTHON
)
echo "SQLite 3.50.4, files after a writer, after a reader, bytes of the log, after a writer again:"
echo "expected a.db a.db none a.db, seen $seen"
[ "$seen" = "a.db a.db,a.db-shm,a.db-wal 0 a.db" ]
