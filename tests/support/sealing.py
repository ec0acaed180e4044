"""Sealing messages as phones do, with the secret of another message."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def seal(
    secret: bytes,
    target: str,
    author: str,
    sender: str,
    label: str,
    content: bytes,
    *,
    names_sender: bool = False,
) -> tuple[bytes, bytes]:
    """Return the nonce and the ciphertext of a content; the rules are whatsmeow's `generateMsgSecretKey`."""
    key = HKDF(SHA256(), 32, None, f"{target}{author}{sender}{label}".encode()).derive(secret)
    nonce = os.urandom(12)
    data = f"{target}\0{sender}".encode() if names_sender else None
    return nonce, AESGCM(key).encrypt(nonce, content, data)


def digests(options: Iterable[str]) -> list[bytes]:
    """Return how a vote names its options."""
    return [hashlib.sha256(each.encode()).digest() for each in options]
