"""neonize (whatsmeow in Go), loaded only here, and only when needed: it takes 0.1 s and 26 MB."""

from __future__ import annotations

import ctypes
import importlib
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, TypeVar, cast

from wa.errors import WaError

T = TypeVar("T")
LEAST_SECONDS = 60.0
SLOWEST = 50_000
"""The least bytes per second. A transfer may take LEAST_SECONDS more: a file of 5 MB 160 seconds."""
MOST_LEFT = 2
"""Transfers of one kind that were given up and still run; with so many, no other is begun."""


_UNUSED = (
    "PIL", "concurrent.futures", "ctypes.util", "google.protobuf.internal.containers", "httpx", "linkpreview",
    "magic", "phonenumbers", "requests", "segno", "tqdm",
    "neonize.ext.interactive_message.base", "neonize.proto.waConsumerApplication.WAConsumerApplication_pb2",
    "neonize.proto.waMsgApplication.WAMsgApplication_pb2", "neonize.utils.calc", "neonize.utils.ffmpeg",
    "neonize.utils.iofile", "neonize.utils.sticker", "neonize.utils.thumbnail",
)  # fmt: skip
"""Modules that neonize imports for what we do ourselves or not at all: previews of links and pictures,
downloads, QR codes, kinds of files, stickers, buttons. They are three quarters of the time of its import
and 20 MB; `magic` fails without libmagic."""


class _Nothing(ModuleType):
    """A module of which every name is None while `loader`, a thread, imports neonize.

    For another thread, and later, its names are those of the real module.
    """

    def __init__(self, name: str, loader: int | None) -> None:
        super().__init__(name)
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        if threading.get_ident() == self.loader:
            if name.startswith("__"):  # the import system asks for such names
                raise AttributeError(name)
            return None
        self.remove()
        real = importlib.import_module(self.__name__)
        with suppress(ImportError):  # it may be a module of the package
            importlib.import_module(f"{self.__name__}.{name}")
        return getattr(real, name)

    def remove(self) -> None:
        """Let the next import find the real module."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


@contextmanager
def _left_out(names: tuple[str, ...]) -> Iterator[None]:
    """Let imports of these modules by this thread find nothing, unless they are imported already."""
    made = [_Nothing(name, threading.get_ident()) for name in names if name not in sys.modules]
    sys.modules.update({each.__name__: each for each in made})
    try:
        yield
    finally:
        for each in made:
            each.loader = None
            each.remove()


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
                from neonize.utils.enum import BlocklistAction, MediaType, ParticipantChange, ReceiptType
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
        self.blocklist_action, self.participant_change = BlocklistAction, ParticipantChange
        self.recorded = _recorded(events)
        """The classes of events that are recorded, and their kinds in the spool."""
        self.heard = [*_signals(events), *self.recorded]
        """The events to subscribe to."""
        for name in ("neonize", "whatsmeow"):  # otherwise their warnings would go to standard error
            logging.getLogger(name).propagate = False
            logging.getLogger(name).addHandler(logging.NullHandler())

    def run(self, native: Any) -> None:
        """Connect a client, and return when it was stopped. Raise NeonizeError when it cannot be connected.

        `native.connect()` does the same, but wakes up five times a second meanwhile.
        """
        made, subscribed = self.client, bytearray(native.event.list_func)
        calls = (
            made.func_string(native._NewClient__onQr),
            made.func_string(native._NewClient__onLoginStatus),
            made.func_callback_bytes(native.event.execute),
            made.func_callback_bytes2(made.log_whatsmeow),
            (ctypes.c_char * len(subscribed)).from_buffer(subscribed),
        )
        native._connect_refs = (calls, subscribed)  # Go uses these for as long as the process lives
        level = made.LogLevel.from_logging(logging.DEBUG).level  # the wire marks are made of its log
        props = native.device_props.SerializeToString()
        names = native.name.encode(), native.uuid, b"", 0, 0
        error = made.gocode.Neonize(*names, level, *calls, len(subscribed), props, len(props), b"", 0, None)
        if error:
            raise made.NeonizeError(error.decode())

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
