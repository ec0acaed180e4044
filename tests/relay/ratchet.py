"""A small Signal endpoint: X3DH, the double ratchet and sender keys.

The relay does not need it to route between two real clients. It lets the relay play the phone of an
account (its device 0) and people who have only a phone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from relay.crypto import DJB, KeyPair, cbc_decrypt, cbc_encrypt, hkdf, hmac256
from relay.protobuf import pack, unpack

V3 = b"\x33"
MAX_SKIP = 2000


@dataclass
class Bundle:
    """The keys that a device uploads and its peers fetch; each one-time prekey is given out once."""

    registration: bytes
    identity: bytes
    signed_id: bytes
    signed: bytes
    signature: bytes
    prekeys: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass
class _Chain:
    key: bytes
    number: int = 0

    def step(self) -> bytes:
        seed = hmac256(self.key, b"\x01")
        self.key, self.number = hmac256(self.key, b"\x02"), self.number + 1
        return seed


@dataclass
class _Session:
    root: bytes
    ratchet: KeyPair
    peer: bytes
    sending: _Chain
    previous: int = 0
    receiving: dict[bytes, _Chain] = field(default_factory=dict)
    skipped: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    base: bytes = b""
    """The name of the session that a prekey message belongs to."""
    header: dict[str, int | bytes | None] | None = None
    """The fields of a prekey message, repeated until the peer answers."""


class Endpoint:
    """One Signal device: its identity, signed prekey and sessions, by the name of the peer's device."""

    def __init__(self) -> None:
        self.identity, self.signed = KeyPair(), KeyPair()
        self.registration = int.from_bytes(os.urandom(2), "big") & 0x3FFF | 1
        self.prekeys: dict[int, KeyPair] = {}
        """The one-time prekeys that were given out and not used."""
        self.prekeys_made = 0
        self.sessions: dict[str, list[_Session]] = {}
        self.groups_out: dict[str, tuple[int, _Chain, KeyPair]] = {}
        self.groups_in: dict[tuple[str, str, int], _Chain] = {}

    def bundle(self) -> Bundle:
        """Return the public keys, with a new one-time prekey."""
        public = self.signed.public
        self.prekeys_made += 1
        prekey = self.prekeys[self.prekeys_made] = KeyPair()
        return Bundle(
            self.registration.to_bytes(4, "big"),
            self.identity.public,
            b"\0\0\1",
            public,
            self.identity.sign(DJB + public),
            [(self.prekeys_made.to_bytes(3, "big"), prekey.public)],
        )

    def start(self, peer: str, theirs: Bundle) -> None:
        """Run X3DH as the initiator, with one of the peer's one-time prekeys if any is left."""
        base, ratchet = KeyPair(), KeyPair()
        secrets = [
            self.identity.agree(theirs.signed),
            base.agree(theirs.identity),
            base.agree(theirs.signed),
        ]
        prekey = theirs.prekeys.pop(0) if theirs.prekeys else None
        if prekey:
            secrets.append(base.agree(prekey[1]))
        root, chain = _x3dh(*secrets)
        root, sending = _root_step(root, ratchet, theirs.signed)
        session = _Session(root, ratchet, theirs.identity, sending, base=base.public)
        session.receiving[theirs.signed] = _Chain(chain)
        session.header = {
            "f1": int.from_bytes(prekey[0], "big") if prekey else None,
            "f2": DJB + base.public,
            "f3": DJB + self.identity.public,
            "f5": self.registration,
            "f6": int.from_bytes(theirs.signed_id, "big"),
        }
        self.sessions.setdefault(peer, []).insert(0, session)

    def encrypt(self, peer: str, plain: bytes) -> tuple[str, bytes]:
        """Return the type ("msg", or "pkmsg" until the peer answers) and ciphertext; needs a session."""
        session = self.sessions[peer][0]
        number = session.sending.number
        keys = hkdf(session.sending.step(), 80, info=b"WhisperMessageKeys")
        encrypted = cbc_encrypt(keys[:32], keys[64:], _pad(plain))
        body = V3 + pack(f1=DJB + session.ratchet.public, f2=number, f3=session.previous, f4=encrypted)
        mac = hmac256(keys[32:64], DJB + self.identity.public + DJB + session.peer + body)[:8]
        if session.header is None:
            return "msg", body + mac
        head = session.header
        parts = {"f1": head["f1"], "f2": head["f2"], "f3": head["f3"], "f4": body + mac}
        return "pkmsg", V3 + pack(**parts, f5=head["f5"], f6=head["f6"])

    def decrypt(self, peer: str, kind: str, data: bytes) -> bytes:
        """Return the plaintext of a "msg" or "pkmsg"; try every session with that peer."""
        if kind == "pkmsg":
            data = self._answer(peer, data)
        error: Exception = KeyError(f"no session with {peer}")
        for session in list(self.sessions.get(peer, [])):
            try:
                plain = self._decrypt(session, data)
            except ValueError as exc:
                error = exc
                continue
            session.header = None
            self.sessions[peer].remove(session)
            self.sessions[peer].insert(0, session)
            return plain
        raise error

    def _answer(self, peer: str, data: bytes) -> bytes:
        """Run X3DH as the responder, once for each session; return the message inside."""
        message = unpack(data[1:])
        base, identity = message.data(2)[1:], message.data(3)[1:]
        known = self.sessions.setdefault(peer, [])
        if not any(session.base == base for session in known):
            secrets = [self.signed.agree(identity), self.identity.agree(base), self.signed.agree(base)]
            if 1 in message:
                secrets.append(self.prekeys.pop(message.number(1)).agree(base))
            root, chain = _x3dh(*secrets)
            known.insert(0, _Session(root, self.signed, identity, _Chain(chain), base=base))
        return message.data(4)

    def _decrypt(self, session: _Session, data: bytes) -> bytes:
        message = unpack(data[1:-8])
        theirs, number = message.data(1)[1:], message.number(2)
        root = None
        if theirs in session.receiving:
            chain = _Chain(session.receiving[theirs].key, session.receiving[theirs].number)
        else:
            root, chain = _root_step(session.root, session.ratchet, theirs)
        skipped: dict[tuple[bytes, int], bytes] = {}
        seed = session.skipped.get((theirs, number))
        if seed is None:
            if not chain.number <= number <= chain.number + MAX_SKIP:
                raise ValueError("a message that came before, or from too far in the future")
            while chain.number < number:
                at = chain.number
                skipped[theirs, at] = chain.step()
            seed = chain.step()
        keys = hkdf(seed, 80, info=b"WhisperMessageKeys")
        signed = DJB + session.peer + DJB + self.identity.public + data[:-8]
        if hmac256(keys[32:64], signed)[:8] != data[-8:]:
            raise ValueError("bad mac")
        # The MAC has proved that the message is the peer's: the state may advance.
        session.skipped.update(skipped)
        session.skipped.pop((theirs, number), None)
        session.receiving[theirs] = chain
        if root is not None:
            session.previous, session.ratchet = session.sending.number, KeyPair()
            session.root, session.sending = _root_step(root, session.ratchet, theirs)
        return _unpad(cbc_decrypt(keys[:32], keys[64:], message.data(4)))

    def group_invitation(self, group: str) -> bytes:
        """Return the SenderKeyDistributionMessage that lets others read its later group messages."""
        if group not in self.groups_out:
            key_id = int.from_bytes(os.urandom(3), "big")
            self.groups_out[group] = (key_id, _Chain(os.urandom(32)), KeyPair())
        key_id, chain, signing = self.groups_out[group]
        return V3 + pack(f1=key_id, f2=chain.number, f3=chain.key, f4=DJB + signing.public)

    def group_encrypt(self, group: str, plain: bytes) -> bytes:
        """Return a signed SenderKeyMessage."""
        key_id, chain, signing = self.groups_out[group]
        number = chain.number
        keys = hkdf(chain.step(), 48, info=b"WhisperGroup")
        body = V3 + pack(f1=key_id, f2=number, f3=cbc_encrypt(keys[16:], keys[:16], _pad(plain)))
        return body + signing.sign(body)

    def group_learn(self, group: str, sender: str, invitation: bytes) -> None:
        """Store the sender key of a peer's device."""
        message = unpack(invitation[1:])
        chain = _Chain(message.data(3), message.number(2))
        self.groups_in[group, sender, message.number(1)] = chain

    def group_decrypt(self, group: str, sender: str, data: bytes) -> bytes:
        """Return the plaintext of a SenderKeyMessage; its signature is not checked."""
        message = unpack(data[1:-64])
        chain = self.groups_in[group, sender, message.number(1)]
        if message.number(2) < chain.number:
            raise ValueError("a group message that came before")
        while chain.number < message.number(2):
            chain.step()
        keys = hkdf(chain.step(), 48, info=b"WhisperGroup")
        return _unpad(cbc_decrypt(keys[16:], keys[:16], message.data(3)))


def _root_step(root: bytes, ratchet: KeyPair, theirs: bytes) -> tuple[bytes, _Chain]:
    out = hkdf(ratchet.agree(theirs), 64, root, b"WhisperRatchet")
    return out[:32], _Chain(out[32:])


def _x3dh(*secrets: bytes) -> tuple[bytes, bytes]:
    out = hkdf(b"\xff" * 32 + b"".join(secrets), 64, info=b"WhisperText")
    return out[:32], out[32:]


def _pad(plain: bytes) -> bytes:
    size = os.urandom(1)[0] & 15 or 15
    return plain + bytes([size]) * size


def _unpad(plain: bytes) -> bytes:
    return plain[: -plain[-1]]
