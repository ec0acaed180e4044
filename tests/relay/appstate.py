"""App state as devices write and read it: encrypted settings, in patches that build on each other.

The server keeps patches without the key (`relay.syncd`); phones write and read (`relay.phone_settings`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from relay.crypto import cbc_decrypt, cbc_encrypt, hkdf, hmac256
from relay.protobuf import pack

SET, REMOVE = 0, 1
MAC_BYTES = 32


@dataclass
class SyncKey:
    """The key that app state is encrypted with."""

    id: bytes = field(default_factory=lambda: b"\0\0" + os.urandom(4))
    data: bytes = field(default_factory=lambda: os.urandom(32))

    def keys(self) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """Return its keys for indexes, values, MACs of values, MACs of the state, MACs of patches."""
        out = hkdf(self.data, 160, info=b"WhatsApp Mutation Keys")
        return out[:32], out[32:64], out[64:96], out[96:128], out[128:]


@dataclass
class Collection:
    """What the server holds of a collection: patches and records as bytes, which it cannot decrypt."""

    version: int = 0
    patches: list[bytes] = field(default_factory=list)
    """The SyncdPatch of each version from 1 on."""
    records: dict[bytes, bytes] = field(default_factory=dict)
    """The present SyncdRecords, by the MAC of their index."""
    snapshot: tuple[int, bytes] = (0, b"")
    """The version of the last snapshot, and its ExternalBlobReference."""


@dataclass
class PhoneSettings:
    """What a phone has read of a collection: its version, the MACs of its values, and its settings."""

    version: int = 0
    macs: dict[bytes, bytes] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The settings as JSON of protobuf, by their index in JSON."""


@dataclass
class Change:
    """A setting to write: its index, a serialized SyncActionValue, and the version of its kind."""

    index: list[str]
    value: bytes
    version: int = 1
    operation: int = SET


def encode(
    pb: Any, key: SyncKey, name: str, version: int, macs: dict[bytes, bytes], changes: list[Change]
) -> Any:
    """Return the SyncdPatch of a version; `macs` of the version before are changed to those after it."""
    state_key, patch_key = key.keys()[3:]
    patch = pb.SyncdPatch(keyID={"ID": key.id})
    patch.mutations.extend(_encrypt(pb, key, each) for each in changes)
    apply(macs, patch.mutations)
    patch.snapshotMAC = state_mac(state_key, macs.values(), version, name)
    patch.patchMAC = _patch_mac(patch_key, patch, version, name)
    return patch


def decode(pb: Any, action: Any, key: SyncKey, name: str, macs: dict[bytes, bytes], patch: Any) -> list[Any]:
    """Check a patch; return (operation, index, SyncActionValue) of each change. Raise ValueError."""
    state_key, patch_key = key.keys()[3:]
    version = patch.version.version
    if key.id != patch.keyID.ID:
        raise ValueError("a patch with an unknown key")
    if patch.patchMAC != _patch_mac(patch_key, patch, version, name):
        raise ValueError(f"the MAC of patch {version} is wrong")
    apply(macs, patch.mutations)
    if patch.snapshotMAC != state_mac(state_key, macs.values(), version, name):
        raise ValueError(f"the MAC of the state after patch {version} is wrong")
    return [_decrypt(action, key, each) for each in patch.mutations]


def apply(macs: dict[bytes, bytes], mutations: Iterable[Any]) -> None:
    """Change the MACs of a collection's values, by the MACs of their indexes, as mutations do."""
    for each in mutations:
        macs.pop(each.record.index.blob, None)
        if each.operation == SET:
            macs[each.record.index.blob] = each.record.value.blob[-MAC_BYTES:]


def state_mac(key: bytes, macs: Iterable[bytes], version: int, name: str) -> bytes:
    """Return the MAC of a collection's state: of the LT-hash of its values, 64 sums in any order."""
    sums = [0] * 64
    for mac in macs:
        item = struct.unpack("<64H", hkdf(mac, 128, info=b"WhatsApp Patch Integrity"))
        sums = [(a + b) & 0xFFFF for a, b in zip(sums, item, strict=True)]
    return hmac256(key, struct.pack("<64H", *sums) + version.to_bytes(8, "big") + name.encode())


def _patch_mac(key: bytes, patch: Any, version: int, name: str) -> bytes:
    macs = b"".join(each.record.value.blob[-MAC_BYTES:] for each in patch.mutations)
    return hmac256(key, patch.snapshotMAC + macs + version.to_bytes(8, "big") + name.encode())


def _encrypt(pb: Any, key: SyncKey, change: Change) -> Any:
    """Return a SyncdMutation. Its plaintext is SyncActionData{index=1, value=2, padding=3, version=4}."""
    index_key, value_key, mac_key, _, _ = key.keys()
    index = json.dumps(change.index, separators=(",", ":")).encode()
    plain = pack(f1=index, f2=change.value, f3=b"", f4=change.version)
    iv = os.urandom(16)
    encrypted = iv + cbc_encrypt(value_key, iv, plain)
    mutation = pb.SyncdMutation(operation=change.operation)
    mutation.record.index.blob = hmac256(index_key, index)
    mutation.record.value.blob = encrypted + _value_mac(mac_key, change.operation, encrypted, key.id)
    mutation.record.keyID.ID = key.id
    return mutation


def _decrypt(action: Any, key: SyncKey, mutation: Any) -> tuple[int, list[str], Any]:
    index_key, value_key, mac_key, _, _ = key.keys()
    encrypted, mac = mutation.record.value.blob[:-MAC_BYTES], mutation.record.value.blob[-MAC_BYTES:]
    if mac != _value_mac(mac_key, mutation.operation, encrypted, mutation.record.keyID.ID):
        raise ValueError("the MAC of a value is wrong")
    data = action.SyncActionData.FromString(cbc_decrypt(value_key, encrypted[:16], encrypted[16:]))
    if mutation.record.index.blob != hmac256(index_key, data.index):
        raise ValueError("the MAC of an index is wrong")
    return mutation.operation, json.loads(data.index), data.value


def _value_mac(key: bytes, operation: int, encrypted: bytes, key_id: bytes) -> bytes:
    signed = bytes([operation + 1]) + key_id + encrypted + (len(key_id) + 1).to_bytes(8, "big")
    return hmac.new(key, signed, hashlib.sha512).digest()[:MAC_BYTES]
