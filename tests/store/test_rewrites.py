"""Rewrites of ids: every package's part is called, whether its module was imported before or not."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wa
from wa.store import rewrites
from wa.store.rewrites import MODULES, Rewrite

REWRITES = ["join_chats", "merge_contacts", "contact_changed", "carry_over"]


def registering():
    """Return the modules that register a part, as their source says."""
    root = Path(wa.__file__).parent
    for path in root.rglob("*.py"):
        decorators = [
            ast.unparse(decorator)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
            for decorator in node.decorator_list
        ]
        if any(each.endswith(f"{name}.part") for each in decorators for name in REWRITES):
            yield ".".join(path.relative_to(root.parent).with_suffix("").parts)


def test_the_modules_that_register_are_those_that_are_named():
    assert sorted(registering()) == sorted(MODULES)


def test_a_module_that_is_not_named_cannot_register():
    with pytest.raises(LookupError, match=__name__):

        @rewrites.join_chats.part
        def missed(store, lid, pn):
            """Would be missed by a process that has not imported this module."""


def test_parts_are_called_in_the_order_of_their_modules_with_the_arguments_of_run():
    rewrite, calls = Rewrite(["os.path", "json", __name__]), []
    for module in (__name__, "json", "os.path"):

        def part(*args, module=module):
            calls.append((module, args))

        part.__module__ = module
        rewrite.part(part)
    rewrite.run("a", 2)
    assert calls == [("os.path", ("a", 2)), ("json", ("a", 2)), (__name__, ("a", 2))]


def test_an_error_of_a_part_is_raised_by_the_rewrite():
    rewrite = Rewrite([__name__])

    @rewrite.part
    def broken():
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        rewrite.run()


@pytest.mark.parametrize("name", REWRITES)
def test_parts_of_modules_that_were_not_imported_are_found(name):
    modules = sorted({part.__module__ for part in getattr(rewrites, name).parts()})
    code = f"from wa.store.rewrites import {name} as r; print(*sorted({{p.__module__ for p in r.parts()}}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == modules
