"""The shape of the house: who imports whom, and what is done where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import wa

ROOT = Path(wa.__file__).parent
# From the top down. A module imports from its own line and from those below it, never from above.
LAYERS = [
    {"wa.__main__"},
    {"wa.cli"},
    {"wa.commands.account", "wa.commands.backup", "wa.commands.contacts", "wa.commands.data",
     "wa.commands.loopback", "wa.commands.messages", "wa.commands.schedule"},
    {"wa.commands.common"},
    {"wa.pairing", "wa.diagnosis"},
    {"wa.service"},
    {"wa.app"},
    {"wa.output"},
    {"wa.owner"},
    {"wa.requests"},
    {"wa.backup", "wa.restore"},
    {"wa.replacing"},
    {"wa.shelf", "wa.carrying"},
    {"wa.chat_import", "wa.chat_match", "wa.chat_people", "wa.exchange", "wa.legacy", "wa.legacy_chats",
     "wa.legacy_records"},
    {"wa.inbox", "wa.ends", "wa.addressbook", "wa.joining", "wa.outbox", "wa.messages", "wa.contacts",
     "wa.schedule", "wa.pacing", "wa.search", "wa.history"},
    {"wa.loopback", "wa.loopback_server", "wa.neonize_transport", "wa.outgoing", "wa.line", "wa.wire",
     "wa.verdicts", "wa.session", "wa.decoding", "wa.transport"},
    {"wa.chat_archive", "wa.media", "wa.media_details", "wa.media_formats", "wa.media_types"},
    {"wa.snapshot"},
    {"wa.store", "wa.migrations", "wa.home", "wa.bucket"},
    {"wa.when", "wa.phone", "wa.settings", "wa.errors", "wa.vcard", "wa.contentlines", "wa.jsonstream",
     "wa.qr", "wa.retention", "wa.turns", "wa.chat_export", "wa.chat_line", "wa.chat_said", "wa.chat_words"},
]  # fmt: skip
PURE = sorted(LAYERS[-1])
LEVEL = {module: number for number, layer in enumerate(LAYERS) for module in layer}
NO_CODE = {"wa", "wa.commands"}
WITH_I_O = {"os", "sqlite3", "pathlib", "socket", "subprocess", "shutil", "tempfile", "fcntl", "sqlite_utils"}
LONGEST = 400


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
MODULES = sorted(set(SOURCES) - NO_CODE)


def imports(module: str) -> Iterator[str]:
    """What a module imports, inside its functions too: our modules by whole name, others by their first."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in SOURCES else str(node.module) for name in inside]
        else:
            continue
        yield from (name if name.split(".")[0] == "wa" else name.split(".")[0] for name in names)


def our_imports(module: str) -> set[str]:
    """The modules of ours that a module imports."""
    return {name for name in imports(module) if name in SOURCES} - NO_CODE - {module}


def test_every_module_has_its_place():
    assert set(MODULES) == set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_no_arrow_runs_up(module):
    upward = {name for name in our_imports(module) if LEVEL[name] < LEVEL[module]}
    assert not upward, f"{module} imports from above: {sorted(upward)}"


def test_commands_do_not_import_one_another():
    for module in LAYERS[1]:
        assert not our_imports(module) & LAYERS[1]


def test_no_imports_run_in_a_circle():
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module in done:
            return
        for name in sorted(our_imports(module)):
            walk(name, (*path, module))
        done.add(module)

    for module in MODULES:
        walk(module, ())


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_do_no_input_or_output(module):
    assert not set(imports(module)) & WITH_I_O
    opened = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Name) and node.id == "open"]
    assert not opened


SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|WITH|VACUUM|BEGIN)\s+[\w*(]")
DATABASE_CALLS = {"execute", "executemany", "executescript", "rows", "row", "value", "insert", "write"}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("wa.commands.")])
def test_no_sql_in_commands(module):
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL.match(node.value), f"{module}:{node.lineno} holds SQL"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            on_store = ast.unparse(node.func.value).endswith("store")
            assert not (on_store and node.func.attr in DATABASE_CALLS), f"{module}:{node.lineno} queries"
            assert node.func.attr not in {"execute", "executemany", "executescript"}
    assert "sqlite3" not in set(imports(module))


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_too_long(module):
    assert len(SOURCES[module].splitlines()) <= LONGEST


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_one_module_alone_knows_the_library_for_whatsapp(module):
    assert ("neonize" in set(imports(module))) == (module == "wa.neonize_transport")


CLOCK = re.compile(r"\b(datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.time(_ns)?)\b")


@pytest.mark.parametrize("module", MODULES)
def test_only_the_context_reads_the_clock(module):
    used = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and CLOCK.search(ast.unparse(node))
    ]
    assert used == (["datetime.now"] if module == "wa.app" else [])
    from_time = [
        alias.name
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    ]
    assert "time" not in from_time


def test_sql_does_not_read_the_clock_either():
    for module, source in SOURCES.items():
        assert not re.search(r"CURRENT_TIMESTAMP|'now'|unixepoch\(\)", source), module


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(TREES[module])
