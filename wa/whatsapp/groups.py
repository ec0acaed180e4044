"""What is done with a group, and WhatsApp's answer."""

from __future__ import annotations

from wa.values import Value
from wa.whatsapp.events import Event


class GroupAction(Value):
    """What is to be done with a group: `people` are JIDs, `code` is of an invitation."""

    kind: str
    """`create`, `rename`, `add`, `remove`, `promote`, `demote`, `leave`, `invite`, `renew` or `join`."""
    group_jid: str = ""
    name: str = ""
    people: tuple[str, ...] = ()
    code: str = ""


class GroupAnswer(Value):
    """The answer of WhatsApp to a `GroupAction`."""

    group_jid: str
    refused: tuple[tuple[str, int], ...] = ()
    """The people for whom it was refused, each with the server's code, 0 if it gave none."""
    code: str = ""
    """The code of the invitation that was asked for."""
    events: tuple[Event, ...] = ()
    """What the answer says of the group as it is now, to be recorded."""
    is_waiting: bool = False
    """Whether we joined only once an admin agrees."""
    name: str | None = None
    """The name of a group of whose members we know nothing yet."""
