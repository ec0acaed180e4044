"""How a part of the server refuses a query."""

from __future__ import annotations


class Refused(Exception):
    """A query is answered with <error code text/>."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Unknown(Refused):
    """A query that the relay has no answer to; it is noted, so that tests notice."""

    def __init__(self) -> None:
        super().__init__(501, "feature-not-implemented")


def not_found() -> Refused:
    """Return the refusal of something that does not exist."""
    return Refused(404, "item-not-found")


def forbidden() -> Refused:
    """Return the refusal of something that the client may not do."""
    return Refused(403, "forbidden")
