"""The records that an import skipped: every import prints them in the same shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wa.people.skipped import Skipped, lines_of


def test_reasons_are_counted_with_their_first_example():
    skipped = Skipped()
    skipped.add("it has no name", "record 7")
    skipped.add("it is too long", "x" * 200, 3)
    skipped.add("it has no name", "record 9")
    assert skipped.row() == {
        "skipped": 5,
        "reasons": [
            {"reason": "it has no name", "count": 2, "example": "record 7"},
            {"reason": "it is too long", "count": 3, "example": "x" * 80},
        ],
    }
    assert lines_of(skipped.row())[0] == "2 × it has no name (record 7)"


@pytest.mark.parametrize(
    ("command", "name", "content"),
    [
        (["contacts", "import-vcf"], "a.vcf", "BEGIN:VCARD\nVERSION:3.0\nFN:Reem\nTEL:12\nEND:VCARD\n"),
        (["contacts", "import-aliases"], "aliases.txt", "Reem: Sister\n"),
        (["history", "import", "--chat", "447700900123", "--me", "-"], "a.txt",
         "from my phone\n13/04/2023, 10:15 - Reem: hello\n"),
        (["migrate-s3", "--from"], "contacts.json", '{"447700900123": {"phone": "447700900123"}}'),
    ],
)  # fmt: skip
def test_all_imports_print_skipped_records_in_one_shape(
    wa: Any, tmp_path: Path, command: list[str], name: str, content: str
) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / name
    file.write_text(content)
    result = wa(*command, str(file.parent if command[0] == "migrate-s3" else file), "--json")
    assert result.code == 8, result.err
    (found,) = result.json if isinstance(result.json, list) else [result.json]
    (reason,) = found["reasons"]
    assert (found["skipped"], set(reason), reason["count"]) == (1, {"reason", "count", "example"}, 1)
