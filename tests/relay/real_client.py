"""One real neonize client in a process of its own, driven with lines of JSON.

`python -m relay.real_client DATABASE LOG [full]`, in the environment that `relay.trust` makes for clients.
In:  {"rid": 1, "do": "send", "args": {…}}; each command runs in a thread of its own and may block
Out: {"rid": 1, "ok": …, "took": s} or {"rid": 1, "error": "Type: text", …}; and {"event": name, …}
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

# The library prints to descriptors 1 and 2, from Go too; both are moved before it is loaded.
OUT = os.dup(1)
_log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.dup2(_log, 1)
os.dup2(_log, 2)
os.umask(0o077)

from google.protobuf.json_format import MessageToDict, ParseDict  # noqa: E402
from neonize import events  # noqa: E402
from neonize.client import NewClient  # noqa: E402
from neonize.proto.Neonize_pb2 import JID, PatchInfo  # noqa: E402
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps  # noqa: E402
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message  # noqa: E402
from neonize.utils.enum import BlocklistAction, ParticipantChange, Presence, ReceiptType  # noqa: E402
from neonize.utils.jid import Jid2String, build_jid  # noqa: E402

SILENT = ("QR", "Device")
"""Events that would only repeat the QR callback."""
writing = threading.Lock()
last_event = time.monotonic()
slow: dict[str, float] = {}
kept: list[Any] = []
"""The callbacks of earlier connects: Go may still call them, and crashes if they are freed."""


def emit(**record: Any) -> None:
    """Write one line to our parent."""
    with writing:
        os.write(OUT, (json.dumps(record, default=str) + "\n").encode())


def address(text: str) -> JID:
    """Return the JID of a number or of a JID as text."""
    user, _, server = text.partition("@")
    return build_jid(user, server) if server else build_jid(user)


def source(info: Any) -> dict[str, Any]:
    """Return the sender and chat of a message."""
    return {
        "chat": Jid2String(info.Chat),
        "sender": Jid2String(info.Sender),
        "alt": Jid2String(info.SenderAlt) if info.SenderAlt.User else "",
        "from_me": info.IsFromMe,
        "group": info.IsGroup,
    }


def describe(name: str, event: Any) -> dict[str, Any]:
    """Return the fields of an event that tests use."""
    if name == "Message":
        message = event.Message
        return source(event.Info.MessageSource) | {
            "id": event.Info.ID,
            "push": event.Info.Pushname,
            "t": event.Info.Timestamp,
            "text": message.conversation or message.extendedTextMessage.text,
            "asked": event.UnavailableRequestID,
            "fields": [field.name for field, _ in message.ListFields()],
            "raw": message.SerializeToString().hex() if event.Info.Type == "media" else "",
            "content": {} if message.conversation else MessageToDict(message),
        }
    if name == "Receipt":
        kind = event.ReceiptType.Name(event.Type)
        return source(event.MessageSource) | {"ids": list(event.MessageIDs), "kind": kind}
    if name == "HistorySync":
        data = event.Data
        chats = {
            chat.ID: [each.message.message.conversation for each in chat.messages]
            for chat in data.conversations
        }
        names = {each.ID: each.pushname for each in data.pushnames}
        about = {"kind": data.HistorySyncType.Name(data.syncType), "order": data.chunkOrder}
        return about | {"progress": data.progress, "chats": chats, "names": names}
    if name == "GroupInfo":
        changed = {
            key: [Jid2String(each) for each in getattr(event, key)]
            for key in ("Join", "Leave", "Promote", "Demote")
        }
        return {
            "group": Jid2String(event.JID),
            "by": Jid2String(event.Sender),
            "name": event.Name.Name,
        } | changed
    return {"data": MessageToDict(event)}


def watch(client: NewClient) -> None:
    """Report every event and every QR code to our parent."""

    def handler(_: Any, event: Any, name: str) -> None:
        global last_event
        emit(event=name, thread=threading.current_thread().name, **describe(name, event))
        last_event = time.monotonic()
        time.sleep(slow.get(name, 0))

    for kind in events.EVENT_TO_INT:
        name = kind.__name__.removesuffix("Ev").removesuffix("Event")
        if name not in SILENT:
            client.event(kind)(lambda at, event, name=name: handler(at, event, name))
    client.qr(lambda _, data: emit(event="qr", qr=data.decode()))
    # The outcome of a pairing ("success", "timeout", "error", "err-…") reaches Python only this way.
    client._NewClient__onLoginStatus = lambda _, status: emit(  # noqa: SLF001
        event="LoginStatus", status=ctypes.string_at(status).decode()
    )


class Commands:
    """The commands of our parent, by name."""

    def __init__(self, client: NewClient) -> None:
        self.client = client

    def connect(self) -> None:
        """Connect; return when the client was stopped, but never while a QR code is shown."""
        kept.append(getattr(self.client, "_connect_refs", None))
        self.client.connect()

    def finish(self, quiet: float = 0.4) -> None:
        """Disconnect, wait until no event has come for a while, stop: no received event is lost."""
        self.client.disconnect()
        while time.monotonic() - last_event < quiet:
            time.sleep(0.02)
        self.client.stop()

    def pair_phone(self, number: str) -> str:
        """Ask for a pairing code; the server gives one once a QR code was shown."""
        return str(self.client.PairPhone(number, show_push_notification=True))

    def send(self, to: str, text: str) -> dict[str, Any]:
        """Send a text."""
        sent = self.client.send_message(address(to), text)
        return {"id": sent.ID, "t": sent.Timestamp}

    def send_message(self, to: str, message: dict[str, Any]) -> dict[str, Any]:
        """Send any message, in protobuf's JSON."""
        return {"id": self.client.send_message(address(to), ParseDict(message, Message())).ID}

    def reject_call(self, by: str, call_id: str) -> None:
        """Decline a call."""
        self.client.reject_call(address(by), call_id)

    def send_image(self, to: str, data: str, caption: str = "") -> dict[str, Any]:
        """Send an image."""
        return {"id": self.client.send_image(address(to), bytes.fromhex(data), caption=caption).ID}

    def send_document(self, to: str, data: str, filename: str, caption: str = "") -> dict[str, Any]:
        """Send a file of any kind."""
        sent = self.client.send_document(
            address(to), bytes.fromhex(data), caption=caption or None, filename=filename
        )
        return {"id": sent.ID}

    def download(self, raw: str) -> str:
        """Return the file of a message, in hex."""
        data = self.client.download_any(Message.FromString(bytes.fromhex(raw)))
        return data.hex() if data else ""

    def mark_read(self, ids: list[str], chat: str, sender: str, kind: str = "READ") -> None:
        """Send a receipt: READ or PLAYED."""
        receipt = ReceiptType[kind]
        self.client.mark_read(*ids, chat=address(chat), sender=address(sender), receipt=receipt)

    def presence(self, value: str) -> None:
        """Send the presence AVAILABLE or UNAVAILABLE."""
        self.client.send_presence(Presence[value])

    def on_whatsapp(self, numbers: list[str]) -> list[dict[str, Any]]:
        """Return which numbers are registered."""
        return [MessageToDict(each) for each in self.client.is_on_whatsapp(*numbers)]

    def groups(self) -> list[dict[str, Any]]:
        """Return the groups that this account is in."""
        return [
            {
                "jid": Jid2String(group.JID),
                "name": group.GroupName.Name,
                "members": {Jid2String(each.JID): each.IsAdmin for each in group.Participants},
            }
            for group in self.client.get_joined_groups()
        ]

    def create_group(self, name: str, members: list[str]) -> str:
        """Make a group; return its JID."""
        return str(Jid2String(self.client.create_group(name, [address(each) for each in members]).JID))

    def change_group(self, group: str, action: str, members: list[str]) -> list[dict[str, Any]]:
        """Add, remove, promote or demote members; return what the server says of each."""
        people = [address(each) for each in members]
        changed = self.client.update_group_participants(address(group), people, ParticipantChange(action))
        return [MessageToDict(each) for each in changed]

    def rename_group(self, group: str, name: str) -> None:
        """Give a group another subject."""
        self.client.set_group_name(address(group), name)

    def leave_group(self, group: str) -> None:
        """Leave a group."""
        self.client.leave_group(address(group))

    def invite_link(self, group: str, renew: bool = False) -> str:
        """Return the link by which one joins a group; perhaps a new one."""
        return str(self.client.get_group_invite_link(address(group), renew))

    def join_by_link(self, link: str) -> str:
        """Join a group by a link; return its JID."""
        return str(Jid2String(self.client.join_group_with_link(link)))

    def join_by_invitation(self, group: str, inviter: str, code: str, expiration: int) -> None:
        """Join a group by an invitation, which is for us alone."""
        self.client.join_group_with_invite(address(group), address(inviter), code, expiration)

    def block(self, who: str, action: str) -> list[str]:
        """Block somebody or unblock them; return all who are blocked."""
        changed = self.client.update_blocklist(address(who), BlocklistAction(action))
        return [Jid2String(each) for each in changed.JIDs]

    def blocked(self) -> list[str]:
        """Return all who are blocked."""
        return [Jid2String(each) for each in self.client.get_blocklist().JIDs]

    def set_app_state(self, name: str, index: list[str], value: dict[str, Any]) -> None:
        """Set something in a collection of app state: a SyncActionValue, given in protobuf's JSON."""
        patch = PatchInfo(Timestamp=int(time.time()), Type=PatchInfo.WAPatchName.Value(name.upper()))
        ParseDict(value, patch.Mutations.add(Index=index, Version=1).Value)
        self.client.send_app_state(patch)

    def me(self) -> dict[str, Any]:
        """Return our account; only between connect and stop, else Go aborts the process."""
        return dict(MessageToDict(self.client.get_me()))

    def state(self) -> dict[str, Any]:
        """Return the state of the library's connection, and our threads."""
        return {
            "is_connected": self.client.is_connected,
            "is_logged_in": self.client.is_logged_in,
            "threads": [thread.name for thread in threading.enumerate()],
        }

    def contacts(self) -> dict[str, Any]:
        """Return the names that the library knows."""
        return {
            Jid2String(each.JID): {"full": each.Info.FullName, "push": each.Info.PushName}
            for each in self.client.contact.get_all_contacts()
        }

    def disconnect(self) -> None:
        """Close the socket; connect() goes on blocking."""
        self.client.disconnect()

    def stop(self) -> None:
        """Make connect() return."""
        self.client.stop()

    def logout(self) -> None:
        """Unlink this device."""
        self.client.logout()

    def slow(self, event: str, seconds: float) -> None:
        """Make the handler of an event slow."""
        slow[event] = seconds


def run(commands: Commands, rid: int, do: str, args: dict[str, Any]) -> None:
    """Run one command and report its outcome."""
    start = time.monotonic()
    try:
        result: dict[str, Any] = {"ok": getattr(commands, do)(**args)}
    except BaseException as exc:  # reported to the test
        result = {"error": f"{type(exc).__name__}: {exc}"}
    emit(rid=rid, took=round(time.monotonic() - start, 3), **result)


def main() -> None:
    """Serve until the command to exit; if our parent is gone, end at once."""
    database = Path(sys.argv[1])
    props = DeviceProps(os="wa tests", platformType=DeviceProps.DESKTOP)
    props.requireFullSync = "full" in sys.argv[3:]
    client = NewClient(str(database), props=props)
    watch(client)
    commands = Commands(client)
    emit(event="ready", pid=os.getpid())
    for line in sys.stdin:
        message = json.loads(line)
        if message["do"] == "exit":
            sys.exit(0)
        args = (commands, message["rid"], message["do"], message["args"])
        threading.Thread(target=run, args=args, daemon=True).start()
    os._exit(3)


if __name__ == "__main__":
    main()
