"""The server's part of app state: it keeps patches, counts versions, gives out patches and snapshots.

It cannot decrypt: it checks versions and sizes alone. Other devices and the phone check the MACs.
"""

from __future__ import annotations

import hashlib
from typing import Any

from google.protobuf.message import DecodeError

from relay import files, notices
from relay.appstate import MAC_BYTES, SET, Collection
from relay.crypto import encrypt_media
from relay.hub import Hub
from relay.model import Account, Device
from relay.refused import Refused
from relay.wabin import Attr, Node, node

NAMES = ("critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low")
AT_ONCE = 5
"""The most patches in one answer (a guess; a real server's number is larger)."""
SNAPSHOT_AFTER = 5
"""The number of patches after which the next client that asks for a snapshot gets a new one (a guess)."""
LEAST_BLOB = 16 + 16 + MAC_BYTES
"""The size of the shortest value: iv, one block, MAC."""


def answer(hub: Hub, device: Device, query: Node) -> list[Node]:
    """Answer a query: store each collection's patch, or give out what the device does not have."""
    asked = query.child("sync") or Node("sync")
    return [node("sync", {}, *(_collection(hub, device, each) for each in asked))]


def accept(hub: Hub, account: Account, name: str, patch: Any, sender: Device | None) -> None:
    """Store a patch under the next version, and tell the account's other devices."""
    held = collection(account, name)
    held.version += 1
    patch.version.version = held.version
    held.patches.append(patch.SerializeToString())
    for each in patch.mutations:
        held.records.pop(each.record.index.blob, None)
        if each.operation == SET:
            held.records[each.record.index.blob] = each.record.SerializeToString()
    changed = node("collection", {"name": name, "version": held.version})
    for device in account.devices.values():
        if device is not sender and device.greeted:
            hub.push(device, notices.notification("server_sync", account.pn, changed))


def collection(account: Account, name: str) -> Collection:
    """Return a collection of an account. Raise Refused for an unknown name."""
    if name not in NAMES:
        raise Refused(400, "bad-request")
    return account.collections.setdefault(name, Collection())


def _collection(hub: Hub, device: Device, asked: Node) -> Node:
    name = asked.text("name")
    try:
        held = collection(device.account, name)
        if patch := asked.child("patch"):
            return _store(hub, device, held, asked, patch)
    except Refused as exc:
        return _error(name, exc.code, exc.text)
    if asked.text("return_snapshot") == "true" and held.version:
        version, reference = _snapshot(hub, device.account, held)
        return _with_patches(held, name, version, node("snapshot", {}, reference))
    return _with_patches(held, name, int(asked.text("version") or "0"))


def _store(hub: Hub, device: Device, held: Collection, asked: Node, patch: Node) -> Node:
    """Store a device's patch; one that does not build on the newest version gets 409 and what it misses."""
    name, based_on = asked.text("name"), int(asked.text("version") or "0")
    if based_on != held.version:
        missing = [node("patch", {}, each) for each in held.patches[based_on:]]
        return _error(name, 409, "conflict", node("patches", {}, *missing))
    accept(hub, device.account, name, _parse(hub, patch), device)
    return node("collection", {"name": name, "version": held.version})


def _parse(hub: Hub, patch: Node) -> Any:
    """Return a SyncdPatch. Raise Refused when a part is missing or has a wrong size (a guess)."""
    try:
        parsed = hub.sync.SyncdPatch.FromString(patch.content if isinstance(patch.content, bytes) else b"")
    except DecodeError:
        raise Refused(400, "bad-request") from None
    macs = [parsed.snapshotMAC, parsed.patchMAC, *(each.record.index.blob for each in parsed.mutations)]
    values = [each.record.value.blob for each in parsed.mutations]
    keys = [parsed.keyID.ID, *(each.record.keyID.ID for each in parsed.mutations)]
    if not parsed.mutations or not all(keys) or any(len(each) != MAC_BYTES for each in macs):
        raise Refused(400, "bad-request")
    if any(len(each) < LEAST_BLOB for each in values):
        raise Refused(400, "bad-request")
    return parsed


def _with_patches(held: Collection, name: str, have: int, *before: Node) -> Node:
    """Return a <collection> with the patches after a version, not more than AT_ONCE."""
    patches = [node("patch", {}, each) for each in held.patches[have : have + AT_ONCE]]
    attrs: dict[str, Attr] = {"name": name, "version": min(have + AT_ONCE, held.version)}
    if have + AT_ONCE < held.version:
        attrs["has_more_patches"] = "true"
    return node("collection", attrs, *before, *([node("patches", {}, *patches)] if patches else []))


def _snapshot(hub: Hub, account: Account, held: Collection) -> tuple[int, bytes]:
    """Return the version of a snapshot and the reference to its file, which is made anew if it is too old.

    Its MAC is that of the state after the last patch, which the server got from the client of that patch.
    """
    if held.version - held.snapshot[0] > SNAPSHOT_AFTER or not held.snapshot[0]:
        last = hub.sync.SyncdPatch.FromString(held.patches[-1])
        made = hub.sync.SyncdSnapshot(mac=last.snapshotMAC, keyID=last.keyID)
        made.version.version = held.version
        for record in held.records.values():
            made.records.add().ParseFromString(record)
        held.snapshot = held.version, _reference(hub, made.SerializeToString())
    return held.snapshot


def _reference(hub: Hub, data: bytes) -> bytes:
    """Put a file onto the media host; return the ExternalBlobReference to it."""
    key, encrypted = encrypt_media(data, "App State")
    path = files.store(hub, encrypted)
    reference = hub.sync.ExternalBlobReference(mediaKey=key, directPath=f"{path}?ccb=1")
    reference.fileSizeBytes, reference.fileSHA256 = len(data), hashlib.sha256(data).digest()
    reference.fileEncSHA256 = hashlib.sha256(encrypted).digest()
    return bytes(reference.SerializeToString())


def _error(name: str, code: int, text: str, *more: Node) -> Node:
    attrs: dict[str, Attr] = {"name": name, "type": "error"}
    return node("collection", attrs, node("error", {"code": code, "text": text}), *more)
