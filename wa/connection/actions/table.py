"""All actions, by the kind of their request."""

from __future__ import annotations

from typing import Any

from wa.connection.actions import changes, groups
from wa.connection.actions.action import Action
from wa.errors import WaError

ACTIONS: dict[str, Action] = {
    "react": changes.REACT,
    "edit": changes.EDIT,
    "delete": changes.DELETE,
    **{f"group-{kind}": groups.managing(kind) for kind in groups.KINDS},
    "block": groups.BLOCK,
    "unblock": groups.UNBLOCK,
}


def of(kind: str) -> Action:
    """Return an action. One that a newer version has put is refused, and must not end the owner."""
    return ACTIONS.get(kind, _UNKNOWN)


def _refuse(*_: Any) -> Any:
    message = "the process that holds the connection is of a version that does not know this"
    raise WaError("newer-version", message, "nothing was changed; restart the listener (or run-scheduler)")


_UNKNOWN = Action(_refuse, _refuse, _refuse)
