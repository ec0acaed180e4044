"""App state as a phone writes it: enough to give linked devices a push name and contacts.

An account has one sync key, shared by its phone with every newly linked device, and a collection has a
single patch, version 1, that sets all of it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from dataclasses import dataclass, field

from relay.crypto import cbc_encrypt, hkdf, hmac256
from relay.protobuf import pack


@dataclass
class SyncKey:
    """The key that app state is encrypted with."""

    id: bytes = field(default_factory=lambda: b"\0\0" + os.urandom(4))
    data: bytes = field(default_factory=lambda: os.urandom(32))


def first_patch(key: SyncKey, collection: str, settings: list[tuple[list[str], bytes]]) -> bytes:
    """Return a SyncdPatch of version 1 that sets each (index, serialized SyncActionValue)."""
    keys = hkdf(key.data, 160, info=b"WhatsApp Mutation Keys")
    index_key, value_key, mac_key, snapshot_key, patch_key = (keys[at : at + 32] for at in range(0, 160, 32))
    mutations, macs = [], []
    for index, value in settings:
        raw_index = json.dumps(index, separators=(",", ":")).encode()
        iv = os.urandom(16)
        # SyncActionData{index=1, value=2, padding=3, version=4}
        blob = iv + cbc_encrypt(value_key, iv, pack(f1=raw_index, f2=value, f3=b"", f4=1))
        signed = b"\x01" + key.id + blob + (len(key.id) + 1).to_bytes(8, "big")
        mac = hmac.new(mac_key, signed, hashlib.sha512).digest()[:32]
        parts = pack(f1=hmac256(index_key, raw_index)), pack(f1=blob + mac), pack(f1=key.id)
        # SyncdMutation{operation=1 (SET), record=2}; SyncdRecord{index=1, value=2, keyID=3}
        mutations.append(pack(f1=0, f2=pack(f1=parts[0], f2=parts[1], f3=parts[2])))
        macs.append(mac)
    version, name = (1).to_bytes(8, "big"), collection.encode()
    snapshot_mac = hmac256(snapshot_key, _sum(macs) + version + name)
    patch_mac = hmac256(patch_key, snapshot_mac + b"".join(macs) + version + name)
    # SyncdPatch{version=1, mutations=2…, snapshotMAC=4, patchMAC=5, keyID=6}
    body = b"".join(pack(f2=mutation) for mutation in mutations)
    return pack(f1=pack(f1=1)) + body + pack(f4=snapshot_mac, f5=patch_mac, f6=pack(f1=key.id))


def _sum(macs: list[bytes]) -> bytes:
    """Return the LT-hash of a collection's values, in any order: 64 sums of 16 bits."""
    sums = [0] * 64
    for mac in macs:
        item = struct.unpack("<64H", hkdf(mac, 128, info=b"WhatsApp Patch Integrity"))
        sums = [(a + b) & 0xFFFF for a, b in zip(sums, item, strict=True)]
    return struct.pack("<64H", *sums)
