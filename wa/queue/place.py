"""The place of a home: the machine and the file in which messages were first queued.

A home that was copied, unpacked from an archive or put back from a copy has its queue twice. So
sending is paused in it until the user says that no other copy sends.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from wa.store.database import Store
from wa.store.paths import Home
from wa.times import to_iso

MACHINE_ID = Path("/etc/machine-id")
"""The file with the id of this machine, on Linux; a container may have none."""


def what_to_do(doubtful: int = 0) -> str:
    """Return the advice for a home whose queue is elsewhere too; `doubtful` messages may have been sent."""
    may_have = f" ({doubtful} may have been sent)" if doubtful else ""
    return f"stop wa on any other machine, look at `wa schedule list`{may_have}, then `wa resume`"


def here(home: Home) -> dict[str, Any]:
    """Return the place of a home: the machine's id, None if it has none, and the inode of `wa.db`."""
    try:
        inode = home.store.stat().st_ino
    except OSError:  # it was moved away while it was open
        inode = None
    return {"machine": _machine(MACHINE_ID), "inode": inode}


@cache
def _machine(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return text if text and text != "uninitialized" else None


def is_copy(state: dict[str, Any], home: Home) -> bool:
    """Return whether a home is not at the place that its `state` names.

    A move within a disk keeps the inode. The machine counts only where both ids are known.
    """
    kept = state.get("place")
    if kept is None:
        return False
    now = here(home)
    machines = {kept["machine"], now["machine"]} - {None}
    return kept["inode"] != now["inode"] or len(machines) > 1


def is_elsewhere(store: Store) -> bool:
    """Return whether a home is a copy or was restored, and the user has not said yet that no other one sends.

    Until then, no row is made from a series.
    """
    state = store.state()
    return bool(state.get("paused", {}).get("restored")) or is_copy(state, store.home)


def keep(store: Store, now: datetime) -> None:
    """Record the place of a home without one, in the caller's transaction.

    In a copied home, record the moment of the first message that was made in it instead.
    """
    state = store.state()
    if "place" not in state:
        store.set_state("place", here(store.home))
    elif "copied" not in state and is_copy(state, store.home):
        store.set_state("copied", {"at": to_iso(now)})


def take_over(store: Store, now: datetime) -> str | None:
    """Record the present place, in the caller's transaction.

    For a copied home, return the moment (ISO text) since which its messages were made in it: those
    made before may have been sent from elsewhere. Return None for any other home.
    """
    state = store.state()
    made_here = state.get("copied", {"at": to_iso(now)})["at"] if is_copy(state, store.home) else None
    store.set_state("place", here(store.home))
    store.set_state("copied", None)
    return made_here
