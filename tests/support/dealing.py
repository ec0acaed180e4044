"""How pytest-xdist deals out tests: the longest first, those that share a device or server together."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PARTS = 8
"""The number of parts of a short file's tests; any free process runs the next part."""
LONGEST_FIRST = {
    "test_backup_kills": True,
    "test_linked_ends": True,
    "test_in_a_browser": True,
    "test_link": True,
    "test_neonize_transport": True,
    "test_backup": True,
    "test_second_client": True,
    "test_account": True,
    "test_linked_devices": True,
    "test_linked": True,
    "test_terminal": False,
    "test_migrate_s3": False,
    "test_exit_codes": False,
    "test_migrate_s3_bucket": True,
    "test_supervision": True,
    "test_linked_media": True,
    "test_storage_faults": False,
    "test_demo": False,
    "test_real_kills": False,
    "test_real_backlog": False,
    "test_alone": False,
    "test_packaging": True,
    "test_mcp": True,
    "test_never_twice": False,
    "test_help_examples": True,
    "test_layers": True,
    "test_docs": True,
}
"""The slowest files, and whether their tests share something expensive: a device, a server, parsed files."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no process runs one of them alone at the end."""
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place) + (not _shares_a_device(item.path))))


@cache
def _has(path: Path, *plugins: str) -> bool:
    """Return whether a file's tests have fixtures of one of these modules."""
    text = path.read_text(encoding="utf-8")
    return any(f'"{plugin}"' in text for plugin in plugins)


def _shares_a_device(path: Path) -> bool:
    """Return whether the tests of a file share a linked device, which takes some seconds to make."""
    return _has(path, "linked_fixture", "baileys_fixture")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return the scheduler: tests that share a fixture stay in one process; long tests go one at a time."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            if _has(config.rootpath / file, "s3_server"):
                return "storage"  # one process starts the server, and keeps it
            shares = LONGEST_FIRST.get(Path(file).stem)
            if shares is None and not _shares_a_device(config.rootpath / file):
                return f"{file} {zlib.crc32(nodeid.encode()) % PARTS}"
            return nodeid if shares is False else file

    config.option.loadscopereorder = False
    return Scheduling(config, log)
