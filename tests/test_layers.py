"""The structure of the package: which module imports which, writes which table and prints."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from for_each import for_each

import wa

ROOT = Path(wa.__file__).parent
# From the bottom up. A module imports from its own package and from packages on lines above this one's, never
# from a line below. docs/development.md has the same in one sentence.
LAYERS = [
    {
        "as_json",
        "errors",
        "settings",
        "times",
        "jids",
        "phones",
        "phone_texts",
        "s3",
        "texts",
        "values",
        "when",
        "zones",
    },
    {"store"},
    {"media"},
    {"whatsapp"},
    {"record"},
    {"people"},
    {"queue"},
    {"hooks"},
    {"imports", "backup"},
    {"connection"},
    {"web", "mcp"},
    {"cli"},
    {"__main__"},
]
LEVEL = {part: number for number, layer in enumerate(LAYERS) for part in layer}
PLAIN = LAYERS[0] - {"s3", "zones"}
WITH_I_O = {"os", "sqlite3", "pathlib", "socket", "subprocess", "shutil", "tempfile", "fcntl", "sqlite_utils"}
LONGEST = 300
MOST_MODULES = 12
ONE_THING = {
    "wa.connection.owner": "five threads that share one connection and its state",
    "wa.store.schema.early_steps": "the first migrations, which do not change",
}
"""Modules of more than 300 lines, up to 400, and what makes each of them one thing."""
WIDE = {"wa.cli.commands"}  # one module for each command group; none imports another


def name_of(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PACKAGES = {name_of(path) for path in ROOT.rglob("__init__.py")}
SOURCES = {name_of(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
MODULES = sorted(set(SOURCES) - PACKAGES)


class Trees(dict[str, ast.Module]):
    """The modules parsed, each when a test first looks at it: collecting the tests takes no time for that."""

    def __missing__(self, module: str) -> ast.Module:
        """Parse a module and keep its tree."""
        self[module] = ast.parse(SOURCES[module])
        return self[module]


TREES = Trees()


def part_of(module: str) -> str:
    """Return the package or plain module at the top level of `wa` that a module belongs to."""
    return module.split(".")[1]


def imports(tree: ast.AST) -> Iterator[str]:
    """Return the modules that a tree imports, in functions too: of `wa` whole, others by first part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in SOURCES else str(node.module) for name in inside]
        else:
            continue
        yield from (name if name.split(".")[0] == "wa" else name.split(".")[0] for name in names)


def upward(module: str, tree: ast.AST) -> set[str]:
    """Return the imports of a module that run up, or sideways into another package of the same line."""
    mine = part_of(module)
    parts = {name: part_of(name) for name in imports(tree) if name.startswith("wa.")}
    return {
        name
        for name, part in parts.items()
        if LEVEL[part] > LEVEL[mine] or (part != mine and LEVEL[part] == LEVEL[mine] > 0)
    }


def test_every_module_belongs_to_a_layer():
    assert {part_of(module) for module in MODULES} <= set(LEVEL)


@for_each("module", MODULES)
def test_no_import_runs_up(module):
    found = upward(module, TREES[module])
    assert not found, f"{module} imports from above: {sorted(found)}"


@pytest.mark.parametrize(
    "source",
    [
        "from wa.queue import rows",
        "import wa.cli.main",
        "def f():\n    from wa.connection.owner import Owner",
    ],
)
def test_an_import_that_runs_up_is_found(source):
    assert upward("wa.record.write", ast.parse(source))


def test_commands_do_not_import_one_another():
    commands = {module for module in MODULES if module.startswith("wa.cli.commands.")}
    for module in commands:
        assert not (set(imports(TREES[module])) & commands) - {module}


LOADS_BY_NAME = {
    "wa.cli.tree.commands": "the command that runs",
    "wa.store.rewrites": "the modules that register a part of a rewrite",
    "wa.whatsapp.neonize.library": "packages of others, in whose place placeholders stood",
}


def test_no_other_module_is_loaded_by_a_name_that_these_tests_cannot_see():
    for module in set(MODULES) - set(LOADS_BY_NAME):
        assert not re.search(r"\b(import_module|__import__)\b", SOURCES[module]), module


def test_no_imports_run_in_a_circle():
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module in done:
            return
        for name in sorted(
            {name for name in imports(TREES[module]) if name in SOURCES} - PACKAGES - {module}
        ):
            walk(name, (*path, module))
        done.add(module)

    for module in MODULES:
        walk(module, ())


@for_each("module", sorted(f"wa.{name}" for name in PLAIN))
def test_plain_modules_do_no_input_or_output(module):
    assert not set(imports(TREES[module])) & WITH_I_O
    opened = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Name) and node.id == "open"]
    assert not opened


@for_each("module", [name for name in MODULES if LEVEL[part_of(name)] < LEVEL["cli"]])
def test_nothing_below_the_commands_prints_or_knows_their_context(module):
    used = set(imports(TREES[module]))
    assert not used & {"typer", "rich"}
    named = {node.id for node in ast.walk(TREES[module]) if isinstance(node, ast.Name)}
    assert not named & {"App", "Output", "print"}
    streams = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr", "sys.stdin"}
    ]
    assert not streams


SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA|WITH|VACUUM|BEGIN)\s+[\w*(]")
DATABASE_CALLS = {
    "execute",
    "executemany",
    "executescript",
    "rows",
    "row",
    "value",
    "insert",
    "update",
    "write",
}


def database_use(tree: ast.AST) -> list[str]:
    """Return the places where a tree holds SQL or calls the database."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            found.append(f"line {node.lineno} holds SQL")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            on_store = ast.unparse(node.func.value).endswith("store")
            if (on_store and node.func.attr in DATABASE_CALLS) or node.func.attr.startswith("execute"):
                found.append(f"line {node.lineno} queries")
    return found


@for_each("module", [name for name in MODULES if part_of(name) in ("cli", "web", "mcp")])
def test_no_sql_in_commands(module):
    assert database_use(TREES[module]) == []
    assert "sqlite3" not in set(imports(TREES[module])) or module == "wa.cli.main"  # it explains its errors


@pytest.mark.parametrize(
    "source", ['query = "SELECT id FROM chats"', "app.store.rows(text)", "db.execute(text)"]
)
def test_sql_in_a_command_is_found(source):
    assert database_use(ast.parse(source))


WRITES = re.compile(
    r"\b(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|REPLACE\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)\s+(?:main\.)?([a-z_]+)\b"
)
SCHEMA = tuple(f"wa.store.schema.{name}" for name in ("early_steps", "steps", "later_steps", "newer_steps"))
CARRIES_A_STORE_OVER = (*SCHEMA, "wa.backup.carry_over", "wa.backup.replace", "wa.backup.snapshot")


def tables() -> set[str]:
    """Return the tables of the store, as the schema names them."""
    text = "".join(SOURCES[module] for module in SCHEMA)
    return set(re.findall(r"CREATE\s+(?:VIRTUAL\s+)?TABLE\s+([a-z_]+)", text))


@cache
def writers() -> dict[str, set[str]]:
    """Return the modules that write to each table, by table."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in SOURCES:
        if module in CARRIES_A_STORE_OVER:
            continue
        for node in ast.walk(TREES[module]):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for table in WRITES.findall(node.value):
                    found[table].add(module)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("insert", "update", "delete")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                found[str(node.args[0].value)].add(module)
    return found


@for_each("table", sorted(tables()))
def test_one_module_owns_the_writes_of_a_table(table):
    assert len(writers().get(table, set())) <= 1, f"{table}: {sorted(writers()[table])}"


def is_too_long(module: str, source: str) -> bool:
    """Return whether a module has more lines than it may have."""
    return len(source.splitlines()) > (400 if module in ONE_THING else LONGEST)


@for_each("module", MODULES)
def test_no_module_is_too_long(module):
    assert not is_too_long(module, SOURCES[module])


def test_a_module_that_is_too_long_is_found():
    assert is_too_long("wa.record.write", "\n" * (LONGEST + 1))
    assert is_too_long("wa.connection.owner", "\n" * 401)
    assert set(ONE_THING) <= set(MODULES)


@for_each("package", sorted(PACKAGES - WIDE))
def test_no_package_is_too_wide(package):
    inside = [name for name in MODULES if name.rpartition(".")[0] == package]
    assert len(inside) <= MOST_MODULES, inside


@for_each("package", sorted(PACKAGES - {"wa"}))
def test_a_package_s_init_holds_a_docstring_alone(package):
    assert len(TREES[package].body) == 1


@for_each("module", sorted(SOURCES))
def test_one_package_alone_knows_the_library_for_whatsapp(module):
    assert "neonize" not in set(imports(TREES[module])) or module.startswith("wa.whatsapp.neonize.")


CLOCK = re.compile(r"\b(datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.time(_ns)?)\b")
READS_THE_CLOCK = "wa.connection.context"


@for_each("module", MODULES)
def test_only_the_context_reads_the_clock(module):
    used = [
        ast.unparse(node)
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Attribute) and CLOCK.search(ast.unparse(node))
    ]
    assert used == (["datetime.now"] if module == READS_THE_CLOCK else [])
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


@for_each("module", sorted(SOURCES))
def test_every_module_says_what_it_is(module):
    assert ast.get_docstring(TREES[module])


def test_no_two_test_files_have_the_same_name():
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []  # pytest could not import the second
