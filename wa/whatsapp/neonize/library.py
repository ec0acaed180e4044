"""neonize (whatsmeow in Go), loaded only here, and only when needed: it takes 0.4 s and 70 MB."""

from __future__ import annotations

import logging
import sys
import threading
from types import ModuleType
from typing import Any

from wa.errors import WaError


class Library:
    """The parts of neonize that we use."""

    def __init__(self) -> None:
        try:
            import magic  # noqa: F401
        except ImportError:  # this system has no libmagic; only unused parts of neonize need it
            sys.modules["magic"] = ModuleType("magic")
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            from neonize import client, events
            from neonize.proto import Neonize_pb2 as proto
            from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
            from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
            from neonize.utils.enum import MediaType, ReceiptType
        except (ImportError, OSError) as error:
            raise WaError(
                "network-error",
                f"the WhatsApp library cannot be loaded: {error}",
                "it does not exist for musl (Alpine) and for old systems; see `wa doctor`",
            ) from error
        finally:  # undo neonize's logging setup, which is for the whole process
            root.handlers[:] = handlers
            root.setLevel(level)
        self.client, self.events, self.proto, self.e2e = client, events, proto, e2e
        self.device_props, self.media_type, self.receipt_type = DeviceProps, MediaType, ReceiptType
        self.recorded = _recorded(events)
        """The classes of events that are recorded, and their kinds in the spool."""
        self.heard = [*_signals(events), *self.recorded]
        """The events to subscribe to."""
        logging.getLogger("neonize.utils.log").setLevel(logging.DEBUG)  # the level that Go is given
        for name in ("neonize", "whatsmeow"):  # otherwise their warnings would go to standard error
            logging.getLogger(name).propagate = False
            logging.getLogger(name).addHandler(logging.NullHandler())

    def jid(self, text: str) -> Any:
        """Return a JID in the library's form."""
        user, _, server = text.partition("@")
        return self.proto.JID(User=user, Server=server, Device=0, RawAgent=0, Integrator=0, IsEmpty=False)


_loaded: list[Library] = []
_loading = threading.Lock()


def library() -> Library:
    """Return the library, loading it the first time. Raise WaError `network-error` if it cannot be loaded."""
    with _loading:
        if not _loaded:
            _loaded.append(Library())
        return _loaded[0]


def _signals(events: Any) -> list[Any]:
    return [
        events.ConnectedEv, events.DisconnectedEv, events.OfflineSyncCompletedEv, events.LoggedOutEv,
        events.StreamReplacedEv, events.TemporaryBanEv, events.ConnectFailureEv, events.ClientOutdatedEv,
        events.KeepAliveTimeoutEv, events.KeepAliveRestoredEv,
    ]  # fmt: skip


def _recorded(events: Any) -> dict[Any, str]:
    return {
        events.MessageEv: "message",
        events.ReceiptEv: "receipt",
        events.HistorySyncEv: "history",
        events.GroupInfoEv: "group-change",
        events.JoinedGroupEv: "group-joined",
        events.UndecryptableMessageEv: "undecryptable",
    }
