#!/bin/sh
# With pytest 9.2, `--dist loadgroup` of pytest-xdist no longer sees the mark `xdist_group`: tests of one group are dealt
# out to all processes, without an error or a warning. A server or device that a group shares is set up once in each
# process, and tests that must not run at the same time do. pytest-xdist hands the group over by assigning to the
# test's private `_nodeid`, from which pytest 9.2 no longer takes the id (it has a structured `NodeId`).
# What helps: a scheduler of one's own in `pytest_xdist_make_scheduler`, a subclass of LoadScopeScheduling.
# Version: pytest 9.2.0 (and 8.4.2, where it is right), pytest-xdist 3.8.0
# Source: pytest-xdist issue 1386; https://pytest-xdist.readthedocs.io/en/stable/distribution.html says that all tests
#   of a group run in one process
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/test_group.py" <<'EOF'
import os

import pytest


@pytest.mark.xdist_group("shared")
@pytest.mark.parametrize("number", range(12))
def test_in_one_process(number, worker_id):
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(worker_id + "\n")
EOF
# The number of processes that run a group's tests with this version of pytest.
processes() {
    python3 -m venv "$folder/$1"
    "$folder/$1/bin/pip" install -q "pytest==$1" pytest-xdist==3.8.0
    (cd "$folder" && SEEN="$folder/seen-$1" "$folder/$1/bin/python" -m pytest -q -p no:cacheprovider -n 3 \
        --dist loadgroup test_group.py >"$folder/output-$1" 2>&1) || { cat "$folder/output-$1" >&2; return 1; }
    sort -u "$folder/seen-$1" | wc -l | tr -d ' '
}
old=$(processes 8.4.2)
new=$(processes 9.2.0)
echo "pytest-xdist 3.8.0, 12 tests of one group, -n 3 --dist loadgroup: expected 1 process, seen $old with pytest 8.4.2"
echo "and $new with pytest 9.2.0, whose output has this to say: $(tail -n 1 "$folder/output-9.2.0")"
[ "$old" = 1 ] && [ "$new" -gt 1 ] && ! grep -qi 'warn' "$folder/output-9.2.0"
