"""neonize (whatsmeow in Go), loaded only here, and only when needed: it takes 0.2 s and 60 MB."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar, cast

from wa.errors import WaError

T = TypeVar("T")
LEAST_SECONDS = 60.0
SLOWEST = 50_000
"""The least bytes per second. A transfer may take LEAST_SECONDS more: a file of 5 MB 160 seconds."""
MOST_LEFT = 2
"""Transfers of one kind that were given up and still run; with so many, no other is begun."""


_UNUSED = ("httpx", "linkpreview", "magic", "requests", "segno", "tqdm")
"""Packages that neonize imports for what we do ourselves or not at all: previews of links, downloads, QR
codes, kinds of files. They are half of the time of its import and 11 MB; `magic` fails without libmagic."""


class _Nothing(ModuleType):
    """A module of which every name is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):  # the import system asks for such names
            raise AttributeError(name)


@contextmanager
def _left_out(names: tuple[str, ...]) -> Iterator[None]:
    """Let imports of these packages find nothing, unless they are imported already."""
    made = {name: _Nothing(name) for name in names if name not in sys.modules}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


class Library:
    """The parts of neonize that we use."""

    def __init__(self) -> None:
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            with _left_out(_UNUSED):
                from neonize import client, events
                from neonize.proto import Neonize_pb2 as proto
                from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps
                from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
                from neonize.utils.enum import MediaType, ReceiptType
        except (ImportError, OSError, RuntimeError) as error:  # the last: its Go part has another version
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
        events.PictureEv: "picture",
        events.NewsletterJoinEv: "channel-joined",
        events.CallOfferEv: "call-offer",
        events.CallOfferNoticeEv: "call-notice",
        events.CallAcceptEv: "call-accept",
        events.CallTerminateEv: "call-end",
        events.UndecryptableMessageEv: "undecryptable",
    }


def seconds_for(size: int) -> float:
    """Return the seconds that a transfer of `size` bytes may take."""
    return LEAST_SECONDS + size / SLOWEST


_left: dict[str, list[threading.Thread]] = {}
"""The transfers that were given up, by kind; each keeps its thread and its file while it runs."""


def in_time(kind: str, seconds: float, call: Callable[[], T]) -> T:
    """Return what a transfer returns, or raise its error. `kind` is "upload" or "download".

    Raise TimeoutError when it takes more than `seconds`: the library waits for ever for a server that does
    not answer, and nothing ends such a call. Raise it at once while MOST_LEFT such calls still run.
    """
    left = _left[kind] = [thread for thread in _left.get(kind, []) if thread.is_alive()]
    if len(left) >= MOST_LEFT:
        raise TimeoutError(f"WhatsApp has not answered {len(left)} earlier {kind}s")
    outcome: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((True, call()))
        except BaseException as error:
            outcome.put((False, error))

    thread = threading.Thread(target=run, name=f"neonize-{kind}", daemon=True)
    thread.start()
    try:
        is_good, found = outcome.get(timeout=seconds)
    except queue.Empty:
        left.append(thread)
        raise TimeoutError(f"WhatsApp did not answer within {seconds:.0f} seconds") from None
    if not is_good:
        raise found
    return cast("T", found)
