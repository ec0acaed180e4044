"""People as tests see them: what their phones do, and the faults of their accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relay.driver import Relay


@dataclass(frozen=True)
class Person:
    """A person with a phone played by the relay, and perhaps linked devices, which are real clients."""

    relay: Relay
    number: str
    name: str
    pn: str
    lid: str

    def scan(self, qr: str, spoil: bool = False) -> None:
        """Scan a QR code; `spoil` makes it a pairing that the client has to refuse."""
        self.relay.call("scan", number=self.number, qr=qr, spoil=spoil)

    def enter(self, code: str) -> bool:
        """Type in a pairing code; return whether it was right."""
        return bool(self.relay.call("enter", number=self.number, code=code)["right"])

    def set(self, **settings: Any) -> None:
        """Change settings of the account; `relay.model.Account` has them."""
        self.relay.call("account", number=self.number, **settings)

    def send(self, to: Person | str, text: str = "", id: str = "", age: int = 0, **message: Any) -> str:
        """Send a text, or any waE2E.Message as its JSON fields, to a person or a group; return its id.

        With an age, in seconds, the server says that the message is so old.
        """
        content = message or {"conversation": text}
        sent = self.relay.call("send", sender=self.number, to=_chat(to), message=content, id=id, age=age)
        return str(sent["id"])

    def send_many(self, to: Person | str, texts: Iterable[str]) -> list[str]:
        """Send many texts at once, in order; return their ids."""
        return list(self.relay.call("send_many", sender=self.number, to=_chat(to), texts=list(texts))["ids"])

    def send_file(self, to: Person | str, data: bytes, field: str = "imageMessage", **about: Any) -> str:
        """Send a file; `about` holds caption, mimetype, fileName as the message has them."""
        sent = self.relay.call(
            "send_file", sender=self.number, to=_chat(to), data=data.hex(), field=field, **about
        )
        return str(sent["id"])

    def receipt(self, to: Person, ids: Iterable[str], kind: str, group: str = "") -> None:
        """Tell `to` that its messages were "delivered", "read", "played", "inactive"."""
        self.relay.call("receipt", sender=self.number, to=to.number, ids=list(ids), kind=kind, group=group)

    def inbox(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the messages that the phone could decrypt, and receipts, in order, from index `after` on."""
        return list(self.relay.call("inbox", number=self.number, after=after)["inbox"])

    def texts(self, after: int = 0) -> list[str]:
        """Return the texts that the phone received, in order."""
        return [entry["text"] for entry in self.inbox(after) if entry.get("text")]

    def react(self, to: Person | str, id: str, emoji: str) -> str:
        """React to a message of the chat with `to`, or take it back with ""; return the id of the message."""
        return self._act("react", to, id, emoji)

    def edit(self, to: Person | str, id: str, text: str) -> str:
        """Edit a message, without a look at whose it is and how old; return the id of the message."""
        return self._act("edit", to, id, text)

    def delete(self, to: Person | str, id: str) -> str:
        """Delete a message for everyone, of another as an admin; return the id of the message."""
        return self._act("delete", to, id)

    def ask(self, to: Person | str, question: str, options: list[str], multi: int = 1) -> str:
        """Ask in a poll with so many choices, any number for 0; return its id."""
        return self._act("ask", to, question, options, multi)

    def vote(self, to: Person | str, id: str, *options: str) -> str:
        """Vote in a poll, in place of an earlier vote; for nothing to take it back; return the vote's id."""
        return self._act("vote", to, id, list(options))

    def shown(self, chat: Person | str = "") -> list[dict[str, Any]]:
        """Return the messages that the phone shows, of one chat or of all; `relay.screen` has the fields."""
        return list(self.relay.call("screen", number=self.number, chat=_chat(chat))["messages"])

    def shows(self, id: str) -> dict[str, Any]:
        """Return what the phone shows of a message."""
        return dict(next(each for each in self.shown() if each["id"] == id))

    def ignored(self) -> list[dict[str, Any]]:
        """Return what the phone was asked for and does not do, with the reasons."""
        return list(self.relay.call("ignored", number=self.number)["ignored"])

    def block(self, other: Person, action: str = "block") -> None:
        """Block somebody on the phone, or "unblock" them."""
        self.relay.call("block", number=self.number, other=other.number, action=action)

    def blocked(self) -> list[str]:
        """Return the numbers that are blocked."""
        return list(self.relay.call("blocked", number=self.number)["blocked"])

    def privacy(self, **settings: str) -> None:
        """Set who may do what, such as groupadd="contacts"."""
        self.relay.call("privacy", number=self.number, **settings)

    def said(self, tag: str) -> list[dict[str, Any]]:
        """Return the stanzas with this tag that the linked devices sent: attrs, and the tags inside."""
        return list(self.relay.call("said", number=self.number, tag=tag)["said"])

    def _act(self, action: str, to: Person | str, *args: Any) -> str:
        done = self.relay.call("act", number=self.number, to=_chat(to), action=action, args=args)
        return str(done["id"])

    def share_history(self) -> None:
        """Send the history once more to the linked devices."""
        self.relay.call("history", number=self.number)

    def fault(self, **faults: Any) -> None:
        """Set faults, or clear them with None; `relay.control.Api.do_fault` has the list."""
        self.relay.call("fault", number=self.number, **faults)

    def drop(self, code: int = 0) -> None:
        """Cut the connections of the linked devices, or end them with a stream error."""
        self.relay.call("drop", number=self.number, code=code)

    def replaced(self) -> None:
        """End the connections as if the devices had connected elsewhere."""
        self.relay.call("replaced", number=self.number)

    def unlink(self, how: str = "stream") -> None:
        """Log the linked devices out; they learn it now ("stream") or at the next login ("silent")."""
        self.relay.call("unlink", number=self.number, how=how)

    def stall(self, on: bool = True) -> None:
        """Keep the sockets open and answer nothing."""
        self.relay.call("stall", number=self.number, on=on)

    def reinstall(self, notice: str = "pn") -> None:
        """Install the phone anew; the server says so by number, by hidden id ("lid") or not at all ("")."""
        self.relay.call("reinstall", number=self.number, notice=notice)

    def write_settings(self, collection: str, *settings: tuple[list[str], dict[str, Any] | None]) -> None:
        """Write settings into app state by the phone: an index and a SyncActionValue, None to remove it."""
        self.relay.call("write_settings", number=self.number, collection=collection, settings=settings)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the app state as the phone reads it: version and values, by collection."""
        return dict(self.relay.call("settings", number=self.number))

    def devices(self) -> dict[str, dict[str, Any]]:
        """Return the linked devices: connected, active, pending, prekeys."""
        return dict(self.relay.call("state")["accounts"][self.number]["devices"])

    def stanza(self, tag: str, *content: dict[str, Any], **attrs: Any) -> None:
        """Let the server send the linked devices any stanza; `from_` stands for the attribute "from"."""
        node = {"tag": tag, "attrs": {name.rstrip("_"): value for name, value in attrs.items()}}
        self.relay.call("stanza", number=self.number, node={**node, "content": list(content) or None})

    def send_as(
        self, to: Person, message: dict[str, Any], enc: dict[str, str] | None = None, **attrs: Any
    ) -> str:
        """Send the linked devices of `to` a waE2E.Message with any attributes, also of <enc>; return its id.

        Without attributes it comes from our hidden id, as the messages of `send` do.
        """
        stated = {name.rstrip("_"): value for name, value in attrs.items()}
        base = {"from": self.lid, "addressing_mode": "lid", "sender_pn": self.pn}
        sent = self.relay.call(
            "send_as", sender=self.number, number=to.number, message=message, attrs=base | stated, enc=enc
        )
        return str(sent["id"])

    def history_raw(self, **sync: Any) -> None:
        """Send the linked devices a HistorySync, its fields in protobuf's JSON."""
        self.relay.call("history_raw", number=self.number, sync=sync)

    def ask_again(self, id: str) -> None:
        """Ask the sender for a message of our inbox again, as if our phone could not decrypt it."""
        self.relay.call("ask_again", number=self.number, id=id)

    def grouped_receipt(self, group: str, readers: dict[str, list[Person]], kind: str = "read") -> None:
        """Get one receipt for our messages in a group; `readers` has people by the message's id."""
        numbers = {key: [each.number for each in found] for key, found in readers.items()}
        self.relay.call("grouped_receipt", number=self.number, group=group, readers=numbers, kind=kind)

    def withhold(self, to: Person | str, kind: str = "view_once", **message: Any) -> str:
        """Send a message that linked devices are told to be unavailable, of that kind; return its id."""
        sent = self.relay.call("withhold", sender=self.number, to=_chat(to), message=message, kind=kind)
        return str(sent["id"])

    def garble(self, to: Person, hide: bool = False) -> str:
        """Send linked devices a message that nobody can decrypt; return its id."""
        return str(self.relay.call("garble", sender=self.number, number=to.number, hide=hide)["id"])

    def call(self, to: Person, step: str = "offer", call_id: str = "", **about: Any) -> str:
        """Ring the linked devices of `to`, or make another step of `relay.calls.STEPS`; return the call's id.

        `about` are `video`, `group` (a JID) and attributes of the step, such as the `reason` of "terminate".
        """
        made = self.relay.call(
            "call", sender=self.number, number=to.number, step=step, call_id=call_id, **about
        )
        return str(made["id"])


def _chat(to: Person | str) -> str:
    return to if isinstance(to, str) else to.number
