"""The text of a message as a body gives it: itself, or a template by its name with values for its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from wa.connection.context import Context
from wa.errors import WaError
from wa.people.recipients import Recipient
from wa.queue.templates import fields, table
from wa.queue.templates.values import text_for
from wa.web.api.fields import Body


class WithWords(Body):
    """A body with a text, or a template."""

    text: Annotated[str | None, Field(description="The text; or give `template`.")] = None
    template: Annotated[str | None, Field(description="The name of a template.")] = None
    set: Annotated[dict[str, str], Field(description="Values for fields of the template.")] = Field({})


@dataclass(frozen=True)
class Words:
    """A text, or that of a template, with the values that were given for its fields."""

    text: str
    template: str | None
    given: Mapping[str, str]

    def said_to(self, context: Context, to: Recipient, local: datetime) -> str:
        """Return the text for a recipient, at a wall-clock time. Raise WaError `usage` for an empty field."""
        if self.template is None:
            return self.text
        return text_for(context.store, self.text, to, local, self.given)


def words_of(context: Context, body: WithWords) -> Words:
    """Return the text that a body gives. Raise WaError `usage` for none, and for two; `not-found`."""
    if (body.text is None) == (body.template is None):
        raise WaError("usage", "the text comes from text or from template", "give one of them")
    if body.template is None:
        if body.set:
            raise WaError("usage", "set gives fields of a template", "name one as template")
        return Words(body.text or "", None, {})
    given = fields.typed(f"{name}={value}" for name, value in body.set.items())
    return Words(table.get(context.store, body.template)["text"], body.template.strip(), given)
