"""Votes in polls: sealed with the secret of the poll's message, as whatsmeow's `generateMsgSecretKey` does.

The addresses in the key are those under which the sides know each other, by number or by hidden id. A phone
here tries all, and so does not notice a client that takes the wrong ones.
"""

from __future__ import annotations

import hashlib
import os
from itertools import product
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.crypto import hkdf
from relay.hub import Hub
from relay.model import Account
from relay.wabin import JID

LABEL = "Poll Vote"


def seal(hub: Hub, secret: bytes, poll_id: str, author: JID, voter: JID, options: list[str]) -> Any:
    """Return the PollEncValue of a vote for these options; for none, a vote is taken back."""
    vote = hub.e2e.PollVoteMessage(selectedOptions=map(digest, options))
    nonce = os.urandom(12)
    sealed = AESGCM(_key(secret, poll_id, author, voter)).encrypt(
        nonce, vote.SerializeToString(), _bound_to(poll_id, voter)
    )
    return hub.e2e.PollEncValue(encPayload=sealed, encIV=nonce)


def open_vote(
    hub: Hub, secret: bytes, poll_id: str, author: Account, voter: Account, vote: Any
) -> list[bytes] | None:
    """Return the digests of the options in a vote, None if the secret does not open it."""
    for one, other in product((author.lid, author.pn), (voter.lid, voter.pn)):
        try:
            plain = AESGCM(_key(secret, poll_id, one, other)).decrypt(
                vote.encIV, vote.encPayload, _bound_to(poll_id, other)
            )
        except InvalidTag:
            continue
        return list(hub.e2e.PollVoteMessage.FromString(plain).selectedOptions)
    return None


def digest(option: str) -> bytes:
    """Return how a vote names an option."""
    return hashlib.sha256(option.encode()).digest()


def _key(secret: bytes, poll_id: str, author: JID, voter: JID) -> bytes:
    return hkdf(secret, 32, info=f"{poll_id}{author}{voter}{LABEL}".encode())


def _bound_to(poll_id: str, voter: JID) -> bytes:
    return f"{poll_id}\0{voter}".encode()
