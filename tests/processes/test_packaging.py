"""The wheel: the package alone, typed, with its command and with lower bounds for its dependencies."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the sources."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in sorted(
        {"wa", "tests", "docs", "contacts", "findings"} & {path.name for path in ROOT.iterdir()}
    ):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out)]
    done = subprocess.run([*build, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_package_alone(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"wa"}
    modules = {f"wa/{path.relative_to(ROOT / 'wa')}" for path in (ROOT / "wa").rglob("*.py")}
    templates = {f"wa/cli/templates/{path.name}" for path in (ROOT / "wa/cli/templates").iterdir()}
    assert {"wa/cli/templates/wa.service", "wa/cli/templates/ecosystem.config.js"} <= templates
    page = [each for name in ("templates", "static") for each in (ROOT / "wa/web/page" / name).rglob("*")]
    language = ROOT / "wa/imports/export_chat/language"
    page += [each for each in language.iterdir() if each.suffix in (".json", ".txt")]
    assets = {f"wa/{path.relative_to(ROOT / 'wa')}" for path in page if path.is_file()}
    assert {"wa/web/page/templates/base.html", "wa/web/page/static/wa.css"} <= assets
    found = {name for name in wheel.namelist() if name.startswith("wa/")}
    assert found == modules | templates | assets | {"wa/py.typed"}


def test_the_wheel_installs_the_command(wheel):
    parser = configparser.ConfigParser()
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    parser.read_string(wheel.read(entry_points).decode())
    assert dict(parser["console_scripts"]) == {"wa": "wa.__main__:main"}


def test_the_wheel_has_its_metadata(wheel):
    from wa import __version__

    (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    found = Parser().parsestr(wheel.read(metadata).decode())
    assert found["Name"] == "wa"
    assert found["Version"] == __version__
    assert found["Requires-Python"] == ">=3.10"
    assert found["License-Expression"] == "MIT"
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def test_every_dependency_has_a_lower_bound(wheel):
    (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    found = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist")
    assert len(found) >= 7
    found = [each for each in found if not each.startswith("wa[")]  # an extra of our own
    unbounded = [each for each in found if not re.match(r"[A-Za-z0-9_.-]+(\[[\w,]+\])?[^;]*>=\s*\d", each)]
    assert unbounded == []


def at_run_time(path: Path) -> ast.Module:
    """Return the tree of a module without what only type checkers read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    return tree


def test_every_import_of_the_package_is_a_dependency(wheel):
    """`wa` imports only the standard library, itself and the dependencies that it names.

    Those of the extra `web` are imported by `wa/web/`, those of `mcp` by `wa/mcp/`, and by the commands that
    look whether they are there.
    """
    (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
    asked = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist")
    names = {re.match(r"[A-Za-z0-9_.-]+", each)[0].replace("-", "_") for each in asked if ";" not in each}
    called = {"python_dotenv": "dotenv", "python_dateutil": "dateutil", "pillow": "PIL"}
    names = {called.get(name, name) for name in names}
    names |= {"rich", "botocore"}  # Typer and boto3 bring these along
    imported: dict[str, set[str]] = {"": set(), "mcp": set(), "web": set()}
    part_of = {"serve": "web", "mcp": "mcp"}
    for path in (ROOT / "wa").rglob("*.py"):
        part = path.relative_to(ROOT / "wa").parts[0]
        part = part_of.get(path.stem, "") if path.parent.name == "commands" else part
        found = imported.get(part, imported[""])
        for node in ast.walk(at_run_time(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    known = {*sys.stdlib_module_names, "wa"}
    for extra, found in imported.items():
        line = f"extra == '{extra}'"
        lines = [each for each in asked if line in each.replace('"', "'")]
        more = {re.match(r"[A-Za-z0-9_.-]+", each)[0].replace("-", "_") for each in lines}
        assert found - known <= names | more, extra
