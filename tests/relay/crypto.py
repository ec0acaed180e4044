"""Keys, ciphers, the server's side of the Noise handshake, and the encryption of media."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay import xeddsa

DJB = b"\x05"
"""The type byte before a curve25519 key in Signal's messages."""


@dataclass(frozen=True)
class KeyPair:
    """An X25519 key pair, which also signs (XEdDSA)."""

    private: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key, without a type byte."""
        key = X25519PrivateKey.from_private_bytes(self.private).public_key()
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)

    def agree(self, public: bytes) -> bytes:
        """Return the Diffie-Hellman secret with another's public key."""
        return X25519PrivateKey.from_private_bytes(self.private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )

    def sign(self, message: bytes) -> bytes:
        """Return an XEdDSA signature of 64 bytes."""
        return xeddsa.sign(self.private, message)


class NoiseServer:
    """Noise_XX_25519_AESGCM_SHA256, the responder's state; the prologue is the client's header."""

    PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"

    def __init__(self, header: bytes) -> None:
        self.hash = self.chain = self.key = self.PATTERN
        self.counter = 0
        self.mix_hash(header)

    def mix_hash(self, data: bytes) -> None:
        """Noise's MixHash."""
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        """Noise's MixKey."""
        out = hkdf(secret, 64, self.chain)
        self.chain, self.key, self.counter = out[:32], out[32:], 0

    def encrypt(self, data: bytes) -> bytes:
        """Noise's EncryptAndHash."""
        encrypted = AESGCM(self.key).encrypt(self._nonce(), data, self.hash)
        self.mix_hash(encrypted)
        return encrypted

    def decrypt(self, encrypted: bytes) -> bytes:
        """Noise's DecryptAndHash."""
        data = AESGCM(self.key).decrypt(self._nonce(), encrypted, self.hash)
        self.mix_hash(encrypted)
        return data

    def finish(self) -> tuple[AESGCM, AESGCM]:
        """Return the keys for frames from the client and for frames to the client."""
        out = hkdf(b"", 64, self.chain)
        return AESGCM(out[:32]), AESGCM(out[32:])

    def _nonce(self) -> bytes:
        self.counter += 1
        return (self.counter - 1).to_bytes(12, "big")


def hkdf(secret: bytes, length: int, salt: bytes = b"\0" * 32, info: bytes = b"") -> bytes:
    """HKDF with SHA-256."""
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def hmac256(key: bytes, data: bytes) -> bytes:
    """HMAC with SHA-256."""
    return hmac.new(key, data, hashlib.sha256).digest()


def cbc_encrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt with AES-256-CBC and PKCS#7 padding."""
    pad = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return cipher.update(pad.update(data) + pad.finalize()) + cipher.finalize()


def cbc_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Decrypt with AES-256-CBC and PKCS#7 padding."""
    unpad = padding.PKCS7(128).unpadder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return unpad.update(cipher.update(data) + cipher.finalize()) + unpad.finalize()


def ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt with AES-256-CTR, which is its own inverse."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def encrypt_media(data: bytes, kind: str) -> tuple[bytes, bytes]:
    """Return a media key and the encrypted file, as a phone uploads it; `kind` is "Image", "History" …

    The file is AES-CBC and then the first 10 bytes of an HMAC over the iv and it; all keys come from the
    media key by HKDF with the info "WhatsApp <kind> Keys".
    """
    media_key = os.urandom(32)
    iv, cipher_key, mac_key = _media_keys(media_key, kind)
    encrypted = cbc_encrypt(cipher_key, iv, data)
    return media_key, encrypted + hmac256(mac_key, iv + encrypted)[:10]


def decrypt_media(media_key: bytes, kind: str, encrypted: bytes) -> bytes:
    """Return the file that `encrypt_media` or a client has encrypted. Raise when the HMAC is wrong."""
    iv, cipher_key, mac_key = _media_keys(media_key, kind)
    body, mac = encrypted[:-10], encrypted[-10:]
    if hmac256(mac_key, iv + body)[:10] != mac:
        raise ValueError("the HMAC of the media is wrong")
    return cbc_decrypt(cipher_key, iv, body)


def _media_keys(media_key: bytes, kind: str) -> tuple[bytes, bytes, bytes]:
    keys = hkdf(media_key, 112, info=f"WhatsApp {kind} Keys".encode())
    return keys[:16], keys[16:48], keys[48:80]
