"""All actions, by the kind of their request."""

from __future__ import annotations

from wa.connection.actions import changes, groups
from wa.connection.actions.action import Action

ACTIONS: dict[str, Action] = {
    "react": changes.REACT,
    "edit": changes.EDIT,
    "delete": changes.DELETE,
    **{f"group-{kind}": groups.managing(kind) for kind in groups.KINDS},
    "block": groups.BLOCK,
    "unblock": groups.UNBLOCK,
}
