"""Stanzas as a broken client would send them: a well-formed message is changed on its way to the server."""

from __future__ import annotations

import copy
from collections.abc import Callable

from relay.hub import Hub
from relay.model import Device
from relay.wabin import JID, LID, PN, STATUS, Node, node

NOBODY = "999999999999999"
WRONG_PHASH = "2:AAAAAAAA"


def mangle(hub: Hub, sender: Device, stanza: Node, how: str) -> Node:
    """Return a copy of a message with one mistake; MISTAKES has them by name."""
    if how not in MISTAKES:
        raise ValueError(f"unknown mistake {how!r}")
    broken = copy.deepcopy(stanza)
    MISTAKES[how](hub, sender, broken)
    return broken


def _parts(stanza: Node) -> list[Node]:
    """Return the list of a message's participants, to be changed in place."""
    participants = stanza.child("participants")
    assert participants
    assert isinstance(participants.content, list)
    return participants.content


def _children(stanza: Node) -> list[Node]:
    assert isinstance(stanza.content, list)
    return stanza.content


def _recipient(hub: Hub, sender: Device, stanza: Node) -> Node:
    """Return the first participant that is not of the sender's account."""
    return next(each for each in _parts(stanza) if hub.find(each.jid("jid")) is not sender.account)


def _dropped(hub: Hub, sender: Device, stanza: Node) -> None:
    """Leave out everybody but the sender's own devices."""
    own = [each for each in _parts(stanza) if hub.find(each.jid("jid")) is sender.account]
    _parts(stanza)[:] = own


def _stale(hub: Hub, sender: Device, stanza: Node) -> None:
    """Leave out the last device of the recipient."""
    last = [each for each in _parts(stanza) if hub.find(each.jid("jid")) is not sender.account][-1]
    _parts(stanza).remove(last)


def _unknown(hub: Hub, sender: Device, stanza: Node) -> None:
    """Name somebody who does not exist."""
    one = _recipient(hub, sender, stanza)
    one.attrs["jid"] = JID(NOBODY, one.jid("jid").server)


def _foreign(hub: Hub, sender: Device, stanza: Node) -> None:
    """Name somebody who is not in the chat in place of the recipient."""
    one = _recipient(hub, sender, stanza)
    one.attrs["jid"] = _stranger(hub, stanza, one.jid("jid").server)


def _wrong_to(hub: Hub, sender: Device, stanza: Node) -> None:
    """Write to somebody else than the participants."""
    stanza.attrs["to"] = _stranger(hub, stanza, stanza.jid("to").server)


def _stranger(hub: Hub, stanza: Node, server: str) -> JID:
    named = {hub.find(each.jid("jid")) for each in _parts(stanza)}
    other = next(each for each in hub.accounts.values() if each not in named)
    return other.pn if server == PN else other.lid


def _both(hub: Hub, sender: Device, stanza: Node) -> None:
    """Add the ciphertext of an answer to a retry receipt, as Baileys 7 does."""
    enc = copy.deepcopy(_recipient(hub, sender, stanza).all("enc")[0])
    enc.attrs["count"] = "1"
    _children(stanza).append(enc)


def _neither(hub: Hub, sender: Device, stanza: Node) -> None:
    """Leave out the participants, and have no mark of an answer to a retry receipt."""
    participants = stanza.child("participants")
    assert participants
    enc = _recipient(hub, sender, stanza).all("enc")[0]
    _children(stanza)[:] = [enc, *(each for each in _children(stanza) if each is not participants)]


def _empty(hub: Hub, sender: Device, stanza: Node) -> None:
    _parts(stanza).clear()


def _no_enc(hub: Hub, sender: Device, stanza: Node) -> None:
    _recipient(hub, sender, stanza).content = []


def _empty_enc(hub: Hub, sender: Device, stanza: Node) -> None:
    _recipient(hub, sender, stanza).all("enc")[0].content = b""


def _enc_type(hub: Hub, sender: Device, stanza: Node) -> None:
    _recipient(hub, sender, stanza).all("enc")[0].attrs["type"] = "plain"


def _twice(hub: Hub, sender: Device, stanza: Node) -> None:
    _parts(stanza).append(copy.deepcopy(_recipient(hub, sender, stanza)))


def _mixed(hub: Hub, sender: Device, stanza: Node) -> None:
    """Name the recipient by number in a stanza of hidden ids, or the other way round."""
    one = _recipient(hub, sender, stanza)
    account, jid = hub.find(one.jid("jid")), one.jid("jid")
    assert account
    one.attrs["jid"] = (account.pn if jid.server == LID else account.lid).with_device(jid.device)


def _other_id(hub: Hub, sender: Device, stanza: Node) -> None:
    """Take the id of a message of somebody else."""
    stanza.attrs["id"] = next(each for each, by in hub.ids.items() if by != sender.account.number)


def _no_id(hub: Hub, sender: Device, stanza: Node) -> None:
    del stanza.attrs["id"]


def _phash(hub: Hub, sender: Device, stanza: Node) -> None:
    stanza.attrs["phash"] = WRONG_PHASH


def _no_audience(hub: Hub, sender: Device, stanza: Node) -> None:
    """Make it a status for the sender's own devices alone."""
    _dropped(hub, sender, stanza)
    stanza.attrs["to"] = STATUS
    _children(stanza).append(node("enc", {"v": "2", "type": "skmsg"}, b"\x33" + bytes(64)))


MISTAKES: dict[str, Callable[[Hub, Device, Node], None]] = {
    "dropped": _dropped,
    "stale": _stale,
    "unknown": _unknown,
    "foreign": _foreign,
    "wrong to": _wrong_to,
    "both": _both,
    "neither": _neither,
    "empty": _empty,
    "no enc": _no_enc,
    "empty enc": _empty_enc,
    "enc type": _enc_type,
    "twice": _twice,
    "mixed": _mixed,
    "another's id": _other_id,
    "no id": _no_id,
    "phash": _phash,
    "no audience": _no_audience,
}
