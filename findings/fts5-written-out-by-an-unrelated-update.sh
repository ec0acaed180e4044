#!/bin/sh
# FTS5 gathers new texts in memory and writes them out together. An UPDATE of another table makes it write them out
# each time, if that table has a constraint and the UPDATE could change several rows, even if it changes none.
# One expects that statements on other tables do not matter, only the commit and the size of what was gathered.
# Version: apsw 3.50.4.0 (SQLite 3.50.4)
# Source: https://sqlite.org/fts5.html (tells of no such statement);
#   https://sqlite.org/tempfiles.html, "Statement Journal Files": which statements may have to be undone alone;
#   ext/fts5/fts5_main.c: xSavepoint, which SQLite calls for these on each virtual table written to, flushes
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check apsw==3.50.4.0 2>/dev/null
seen=$("$folder/venv/bin/python" - <<'PYTHON'
import apsw


def rows_written(columns, statement):
    """Return the rows that 5,000 texts cost the index, with a statement on another, empty table after each."""
    db = apsw.Connection(":memory:")
    db.execute("CREATE VIRTUAL TABLE texts USING fts5 (text)")
    db.execute(f"CREATE TABLE other ({columns})")
    db.execute("BEGIN")
    for number in range(1, 5_001):
        text = f"good morning, this is message {number} of the harbour"
        db.execute("INSERT INTO texts (rowid, text) VALUES (?, ?)", (number, text))
        db.execute(statement)
    db.execute("COMMIT")
    return db.total_changes()


plain = rows_written("at", "UPDATE other SET at = 1")
one = rows_written("at NOT NULL", "UPDATE other SET at = 1 WHERE rowid = 1")
many = rows_written("at NOT NULL", "UPDATE other SET at = 1")
print(plain == one, round(many / plain, 1))
PYTHON
)
echo "SQLite 3.50.4, rows written for 5,000 texts, the same without a constraint and for one row by its id: ${seen% *};"
echo "with NOT NULL and an UPDATE of all (no) rows: expected 1.0 times as many, seen ${seen#* } times"
[ "${seen% *}" = True ] && [ "${seen#* }" != 1.0 ] && [ "$(printf '%.0f' "${seen#* }")" -ge 2 ]
