"""The names of the channels that we follow: WhatsApp is asked for them when a post of an unknown one came."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from wa.jids import is_channel
from wa.whatsapp.events import Event
from wa.whatsapp.neonize.decoding.fields import jid_text, text_of

log = logging.getLogger(__name__)


class ChannelNames:
    """The channels whose posts came in this process, and whether their names were asked for."""

    def __init__(self) -> None:
        self._posted: set[str] = set()
        self._asked: set[str] = set()

    def note(self, events: Iterable[Event]) -> None:
        """Note of which channels posts came."""
        self._posted |= {chat for event in events if is_channel(chat := getattr(event, "chat_jid", ""))}

    def ask(self, native: Any, hand_over: Callable[[list[Any]], None]) -> None:
        """Hand over the names, as `Named` has them, if a channel posted for which nobody has asked yet.

        It waits for no answer: that may take the library more than a minute.
        """
        if self._posted <= self._asked:
            return
        self._asked |= self._posted

        def run() -> None:
            try:
                found = native.get_subscribed_newletters()  # their spelling
            except Exception as error:  # a name is missing: no reason to end
                log.info("the names of channels are not known: %s", error)
                return
            named = [(jid_text(each.ID), text_of(each.ThreadMeta.Name.Text)) for each in found]
            hand_over([[jid, name, False] for jid, name in named if name])

        threading.Thread(target=run, name="channels", daemon=True).start()
