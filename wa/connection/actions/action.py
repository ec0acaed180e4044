"""The parts of an action: what the owner of the connection does once, because a command asked for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from wa.errors import WaError
from wa.store.database import Row, Store
from wa.values import Value
from wa.whatsapp.transport import Accepted, Refused, Transport


class Proved(Accepted):
    """What stands for the acknowledgement of an action that a receipt proves, by our clock at its claim."""


LOOK = "look at it on your phone before you do it again"


def _no_other_words(refusal: Refused) -> WaError | None:
    """Return None: the refusal is told as it is."""


class Action(Value):
    """How one kind of request is done. Its arguments are those of `asking.act`, as they came through JSON."""

    prepare: Callable[[Store, Row, bytes, datetime], Any]
    """Takes store, arguments, the attempt's secret and the time, in the transaction of the claim. It returns
    what `call` needs, and raises WaError if the action may not be done now."""
    call: Callable[[Transport, Any], Any]
    """Does it, and returns WhatsApp's answer. Raises SendError; of these, Refused (but 5xx) and NotSent say
    that nothing was done."""
    record: Callable[[Store, Row, Any, datetime], Row]
    """Takes store, arguments, the answer and the time, in the transaction that makes the request `done`.
    It changes the store as WhatsApp has it now, and returns the result for the command."""
    is_message: bool = False
    """Whether it leaves as a message: its wire mark and receipts are evidence, its answer is `Accepted`."""
    refusal: Callable[[Refused], WaError | None] = _no_other_words
    """Returns the error for an answer of the server with an error; None for the usual one."""
    look: str = LOOK
    """The advice for an outcome that is unknown."""
