"""The real library against a server that speaks WhatsApp's protocol: the contract of all transports."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from neonize_process import Died, RemoteTransport
from relay.driver import Client, Person
from transport_contract import Ear, OtherSide, TransportContract, _broken, connect

pytest_plugins = ["relay_fixture"]


@dataclass
class Linked:
    """A device of Reem's as it was after it was linked; each test begins with a copy."""

    us: Person
    adam: Person
    group: str
    accounts: Path
    session: Path


@pytest.fixture(scope="session")
def linked(running_relay, tmp_path_factory):
    """A device of Reem's, linked once for all tests of this process."""
    folder = tmp_path_factory.mktemp("linked")
    running_relay.clear()
    us = running_relay.person("Reem")
    adam = running_relay.person("Adam", receipts=["delivered"])
    group = running_relay.group("Family", adam, us)
    client = Client(running_relay, folder / "session.db")
    try:
        client.link(us)
        client.end()
    finally:
        client.kill()
    running_relay.save(folder / "accounts.pickle")
    return Linked(us, adam, group, folder / "accounts.pickle", folder / "session.db")


class RelaySide(OtherSide):
    """Reem's phone and the people she knows, played by the relay; we are a device of hers."""

    cannot = frozenset({"name", "map", "group_info"})

    def __init__(self, relay, linked, folder):
        self.relay = relay
        self.us, self.adam, self.group = linked.us, linked.adam, linked.group
        self.friend, self.friend_number = self.adam.lid, self.adam.pn
        self.home = folder
        self._made = []
        self._unsaid = []
        """Messages sent while the server was down: the phone keeps them until it is back."""
        relay.load(linked.accounts)
        shutil.copyfile(linked.session, folder / "session.db")

    def transport(self):
        made = RemoteTransport(self.home, self.relay.environment())
        self._made.append(made)
        return made

    def end(self):
        for each in self._made:
            each.end()
        if self.relay.process is None:
            self.relay.start()

    def say(self, text, **details):
        kind, name = details.pop("type", "text"), details.pop("name", None)
        if name:
            self.adam.set(name=name)
        message_id = self._said = details.get("id") or "3A" + os.urandom(9).hex().upper()
        message = message_of(kind, text, details.get("reply_to"))
        if self.relay.process is None:
            self._unsaid.append((message_id, message))
        else:
            self.adam.send(self.us, id=message_id, **message)
        return message_id

    def say_in_group(self, text):
        return self.adam.send(self.group, text)

    def say_elsewhere(self, text):
        return self.us.send(self.adam, text)

    def _protocol(self, message_id, **fields):
        key = {"remoteJID": self.us.pn, "fromMe": True, "ID": message_id}
        self.adam.send(self.us, protocolMessage={"key": key, **fields})

    def edit(self, message_id, text):
        self._protocol(
            message_id, type="MESSAGE_EDIT", editedMessage={"conversation": text}, timestampMS=1795232000000
        )

    def delete(self, message_id):
        self._protocol(message_id, type="REVOKE")

    def react(self, message_id, emoji):
        key = {"remoteJID": self.us.pn, "fromMe": True, "ID": message_id}
        self.adam.send(
            self.us, reactionMessage={"key": key, "text": emoji, "senderTimestampMS": 1795232000000}
        )

    def read(self, message_id):
        self.adam.receipt(self.us, [message_id], "read")

    def read_elsewhere(self):
        self.us.receipt(self.adam, [self._said], "read")

    def delivered(self):
        return [(each["text"], each["id"]) for each in self.adam.inbox() if "receipt" not in each]

    def shows(self, message_id):
        seen = self.adam.shows(message_id)
        return seen["text"], seen["reactions"].get(self.us.number, ""), bool(seen["deleted"])

    def marked_read(self):
        found = [each["ids"] for each in self.adam.inbox() if each.get("receipt") == "read"]
        return {message_id for ids in found for message_id in ids}

    def cut(self):
        self.relay.stop()

    def lose_acks(self):
        self.us.fault(drop_on_send={"route": True}, refuse_login={"reason": 503})

    def refuse(self, status):
        self.us.fault(ack_error={"code": status})

    def refuse_changes(self, status):
        self.us.fault(iq={"space": "w:g2", "tag": "subject", "how": "refuse", "code": status, "done": False})

    def lose_answers(self):
        self.us.fault(iq={"space": "w:g2", "tag": "subject", "how": "cut"})

    def forget(self, jid):
        pass

    def log_out(self):
        self.us.unlink()

    def ban(self, seconds):
        self.us.fault(refuse_login={"reason": 402, "code": 101, "expire": seconds})

    def mend(self):
        if self.relay.process is None:
            self.relay.start()
            while self._unsaid:
                message_id, message = self._unsaid.pop(0)
                self.adam.send(self.us, id=message_id, **message)
        self.us.fault(ack_error=None, drop_on_send=None, refuse_login=None, iq=None)

    def second(self):
        return self.transport()

    def send_with_broken_mark(self, transport, message):
        ear = Ear()
        ear.on_mark = _broken
        other = self.transport()
        connect(other, ear)
        with pytest.raises(Died):
            other.send(message)
        assert other.process.wait(20) == 7


def message_of(kind, text, reply_to):
    context = {"contextInfo": {"stanzaID": reply_to}} if reply_to else {}
    media = {"mimetype": "application/octet-stream", "fileLength": 3, **context}
    return {
        "text": {"extendedTextMessage": {"text": text, **context}} if reply_to else {"conversation": text},
        "image": {"imageMessage": {"caption": text, **media}},
        "video": {"videoMessage": {"caption": text, **media}},
        "audio": {"audioMessage": media},
        "voice": {"audioMessage": {"PTT": True, **media}},
        "document": {"documentMessage": {"caption": text, "fileName": "a.bin", **media}},
        "sticker": {"stickerMessage": media},
        "location": {"locationMessage": {"degreesLatitude": 51.5, "degreesLongitude": -0.1, "name": text}},
        "contact": {"contactMessage": {"displayName": text, "vcard": "BEGIN:VCARD\nEND:VCARD"}},
        "hologram": {"protocolMessage": {}},  # every kind that the library knows has a reader
    }[kind]


@pytest.fixture
def other(running_relay, linked, memory_path):
    side = RelaySide(running_relay, linked, memory_path)
    yield side
    side.end()
    assert running_relay.refused == []


@pytest.fixture
def transport(other):
    return other.transport()


class TestContract(TransportContract):
    """The contract of all transports."""
