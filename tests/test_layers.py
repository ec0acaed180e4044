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
    {"wa.cli.main"},
    {"wa.cli.commands.backup", "wa.cli.commands.chats", "wa.cli.commands.contacts",
     "wa.cli.commands.contacts_transfer",
     "wa.cli.commands.db",
     "wa.cli.commands.history", "wa.cli.commands.migrate_s3",
     "wa.cli.commands.doctor", "wa.cli.commands.download", "wa.cli.commands.link", "wa.cli.commands.listen",
     "wa.cli.commands.loopback", "wa.cli.commands.pause", "wa.cli.commands.read",
     "wa.cli.commands.run_scheduler", "wa.cli.commands.schedule", "wa.cli.commands.search",
     "wa.cli.commands.service",
     "wa.cli.commands.send", "wa.cli.commands.status"},
    {"wa.cli.options", "wa.cli.show"},
    {"wa.cli.context"},
    {"wa.connection.link", "wa.connection.doctor"},
    {"wa.connection.ask", "wa.connection.deliver", "wa.connection.status"},
    {"wa.connection.hold", "wa.connection.pairing"},
    {"wa.connection.context", "wa.cli.output", "wa.cli.service_files"},
    {"wa.connection.owner"},
    {"wa.connection.requests"},
    {"wa.backup.make", "wa.backup.restore"},
    {"wa.backup.replace", "wa.backup.retention"},
    {"wa.backup.backups"},
    {"wa.backup.catalog", "wa.backup.carry_over", "wa.backup.history"},
    {"wa.backup.snapshot"},
    {"wa.backup.packing"},
    {"wa.backup.keys"},
    {"wa.imports.export_chat.importer", "wa.imports.export_chat.match",
     "wa.imports.export_chat.participants", "wa.people.transfer", "wa.imports.wajs.migration",
     "wa.imports.wajs.chats", "wa.imports.wajs.contacts", "wa.imports.wajs.fields", "wa.imports.wajs.files",
     "wa.imports.wajs.jobs", "wa.imports.wajs.messages", "wa.imports.wajs.report",
     "wa.imports.wajs.scheduled"},
    {"wa.connection.apply", "wa.queue.compose", "wa.people.edit", "wa.people.vcard", "wa.people.from_cards",
     "wa.people.recipients", "wa.people.search", "wa.people.person", "wa.record.merge_chats",
     "wa.queue.send", "wa.queue.outcomes", "wa.record.messages",
     "wa.record.write", "wa.record.chats", "wa.record.names", "wa.record.responses",
     "wa.people.contacts", "wa.queue.rows", "wa.queue.pacing",
     "wa.record.search", "wa.record.history_sync"},
    {"wa.whatsapp.loopback.connection", "wa.whatsapp.loopback.lines", "wa.whatsapp.loopback.server",
     "wa.whatsapp.neonize.connection",
     "wa.whatsapp.neonize.encode", "wa.whatsapp.neonize.client", "wa.whatsapp.neonize.wire_log",
     "wa.whatsapp.neonize.errors", "wa.whatsapp.neonize.session_db", "wa.whatsapp.neonize.decode",
     "wa.whatsapp.neonize.content", "wa.whatsapp.neonize.fields", "wa.whatsapp.neonize.library",
     "wa.whatsapp.neonize.people", "wa.whatsapp.neonize.session_query", "wa.whatsapp.errors"},
    {"wa.whatsapp.transport", "wa.whatsapp.events", "wa.whatsapp.ids"},
    {"wa.imports.export_chat.archive", "wa.media.details", "wa.media.formats",
     "wa.media.kinds", "wa.media.names", "wa.media.outgoing", "wa.media.received"},
    {"wa.connection.spool"},
    {"wa.store.database", "wa.store.env_files", "wa.store.schema", "wa.store.paths", "wa.store.files",
     "wa.store.locks",
     "wa.store.wake", "wa.store.fold", "wa.store.device", "wa.store.rewrites", "wa.store.condition",
     "wa.store.open", "wa.s3"},
    {"wa.times", "wa.jids", "wa.phones", "wa.settings", "wa.errors",
     "wa.people.vcard_lines", "wa.people.skipped",
     "wa.imports.progress", "wa.imports.wajs.json_stream", "wa.cli.qr", "wa.backup.names",
     "wa.imports.export_chat.reader", "wa.imports.export_chat.header", "wa.imports.export_chat.content",
     "wa.imports.export_chat.phrases"},
]  # fmt: skip
PURE = sorted(LAYERS[-1])
LEVEL = {module: number for number, layer in enumerate(LAYERS) for module in layer}
WITH_I_O = {"os", "sqlite3", "pathlib", "socket", "subprocess", "shutil", "tempfile", "fcntl", "sqlite_utils"}
LONGEST = 400


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NO_CODE = {name_of(path) for path in ROOT.rglob("__init__.py")}
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


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("wa.cli.commands.")])
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
    assert ("neonize" in set(imports(module))) == (module == "wa.whatsapp.neonize.library")


CLOCK = re.compile(r"\b(datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.time(_ns)?)\b")


@pytest.mark.parametrize("module", MODULES)
def test_only_the_context_reads_the_clock(module):
    used = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and CLOCK.search(ast.unparse(node))
    ]
    assert used == (["datetime.now"] if module == "wa.connection.context" else [])
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
