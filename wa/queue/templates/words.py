"""The text of a message: itself, or a template by its name with values for its fields.

What fills in a template is imported where it is used: most messages have none, and commands start faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from wa.people.recipients import Recipient
from wa.store.database import Store
from wa.values import Value


class Words(Value):
    """A text, or that of a template by its name, with the values that were given for its fields."""

    text: str
    template: str | None
    given: Mapping[str, str]

    def filled(self, store: Store, to: Recipient, local: datetime) -> str:
        """Return the text for a recipient, at a wall-clock time. Raise WaError `usage` for an empty field."""
        if self.template is None:
            return self.text
        from wa.queue.templates.values import text_for

        return text_for(store, self.text, to, local, self.given)


def of_template(store: Store, name: str, given: Iterable[str]) -> Words:
    """Return the text of a template, with fields as NAME=VALUE. Raise WaError `not-found` and `usage`."""
    from wa.queue.templates import fields, table

    return Words(table.get(store, name)["text"], name.strip(), fields.typed(given))
