"""All actions, by the kind of their request."""

from __future__ import annotations

from wa.connection.actions import changes
from wa.connection.actions.action import Action

ACTIONS: dict[str, Action] = {
    "react": changes.REACT,
    "edit": changes.EDIT,
    "delete": changes.DELETE,
}
