"""The files that the page loads: as npm has them, inside the package, and nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import wa

STATIC = Path(wa.__file__).parent / "web/page/static"


def test_copies_are_those_of_npm():
    known = json.loads((STATIC / "vendor/assets.json").read_text())
    assert {each["name"] for each in known} | {"assets.json"} == {
        path.name for path in (STATIC / "vendor").iterdir()
    }
    for each in known:
        digest = hashlib.sha256((STATIC / "vendor" / each["name"]).read_bytes()).hexdigest()
        assert digest == each["sha256"], each["name"]
    assert {each["licence"] for each in known} == {"0BSD", "MIT"}


def test_templates_keep_to_the_policy():
    """No style, no script and no expression stands in a template, and no address of another host."""
    for path in (STATIC.parent / "templates").iterdir():
        text = path.read_text()
        assert not re.search(
            r"<style|<script(?! src=\"\{\{)|\sstyle=|\son\w+=|hx-on|js:|javascript:", text
        ), path
        assert "://" not in text, path
        assert "| safe" not in text, path
        assert "autoescape" not in text, path
