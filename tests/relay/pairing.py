"""Linking a device: by QR code and by a code typed into the phone. The relay is the server and the phone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay import notices, phone_settings
from relay.connection import CodeRequest, Connection
from relay.crypto import KeyPair, ctr, hkdf, hmac256
from relay.hub import Hub
from relay.model import Account, Device, now
from relay.protobuf import Fields, pack, unpack
from relay.wabin import SERVER, Attr, Node, node

PAIR_SUCCESS = "pair-success-1"
CODE_ROUNDS = 2 << 16
CODE_WITHIN = 20.0


async def offer(hub: Hub, conn: Connection, payload: Fields) -> None:
    """Give an unpaired client its refs: of six, whatsmeow shows the first for 60 s, any other for 20 s.

    DevicePairingRegistrationData is field 19 of the payload, its DeviceProps field 8, with requireFullSync
    in it.
    """
    if hub.unpaired_failure:
        failure, hub.unpaired_failure = hub.unpaired_failure, {}
        await conn.drop(node("failure", failure))
        return
    props = hub.registration.DeviceProps.FromString(unpack(payload.data(19)).data(8))
    conn.full_history = bool(props.requireFullSync)
    conn.refs = ["2@" + base64.b64encode(os.urandom(24)).decode() for _ in range(hub.qr_codes)]
    refs = [node("ref", {}, ref.encode()) for ref in conn.refs]
    attrs: dict[str, Attr] = {"from": SERVER, "type": "set", "id": "pair-device-1", "xmlns": "md"}
    await conn.send(node("iq", attrs, node("pair-device", {}, *refs)))


async def scan(hub: Hub, account: Account, qr: str, spoil: bool = False) -> Device:
    """Scan a QR code with an account's phone; `spoil` makes the HMAC wrong, so that the client refuses it."""
    ref, noise, identity, adv = qr.split("#")[-1].split(",")[:4]
    conn = next((each for each in hub.conns if ref in each.refs), None)
    if conn is None:
        raise ValueError("no client shows that QR code")
    secret = bytes(32) if spoil else base64.b64decode(adv)
    return await _succeed(conn, account, base64.b64decode(noise), base64.b64decode(identity), secret)


def hello(conn: Connection, request: Node) -> Node:
    """Stage companion_hello: a client asks to be linked by a code that only the client and its user know."""
    wrapped = request.data("link_code_pairing_wrapped_companion_ephemeral_pub")
    ref = base64.b64encode(os.urandom(24))
    conn.code = CodeRequest(request.jid("jid").user, wrapped, ref)
    return node(
        "link_code_companion_reg", {"stage": "companion_hello"}, node("link_code_pairing_ref", {}, ref)
    )


async def enter(hub: Hub, account: Account, code: str) -> bool:
    """Type a pairing code into the phone of an account; return whether it was the client's code.

    Either side wraps its ephemeral key with a key from the code: 32 bytes of salt, 16 of iv, AES-CTR of the
    key.
    """
    conn = next((each for each in hub.conns if each.code and each.code.number == account.number), None)
    if conn is None or conn.code is None:
        raise ValueError("no client waits for a code of that number")
    request = conn.code
    code = code.replace("-", "").upper()
    salt, iv, theirs = request.wrapped[:32], request.wrapped[32:48], request.wrapped[48:80]
    request.secret = request.ephemeral.agree(ctr(_code_key(code, salt), iv, theirs))
    salt, iv = os.urandom(32), os.urandom(16)
    wrapped = salt + iv + ctr(_code_key(code, salt), iv, request.ephemeral.public)
    told = node(
        "link_code_companion_reg",
        {"stage": "primary_hello"},
        node("link_code_pairing_ref", {}, request.ref),
        node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
        node("primary_identity_pub", {}, account.phone.identity.public),
    )
    attrs: dict[str, Attr] = {
        "from": SERVER,
        "type": "link_code_companion_reg",
        "id": os.urandom(6).hex(),
        "t": now(),
    }
    await conn.send(node("notification", attrs, told))
    return await asyncio.wait_for(request.done, CODE_WITHIN)


async def finish(hub: Hub, conn: Connection, request: Node) -> None:
    """Stage companion_finish: open the client's key bundle, and link it if the code was right.

    The bundle is 32 bytes of salt, 12 of nonce and AES-GCM of identity, the phone's identity and 32 random
    bytes; the secret of the later HMAC comes from both Diffie-Hellman secrets and those random bytes.
    """
    code = conn.code
    if code is None:
        raise ValueError("nobody asked for a code")
    account, identity = hub.accounts[code.number], request.data("companion_identity_public")
    wrapped = request.data("link_code_pairing_wrapped_key_bundle")
    salt, nonce, encrypted = wrapped[:32], wrapped[32:44], wrapped[44:]
    key = hkdf(code.secret, 32, salt, b"link_code_pairing_key_bundle_encryption_key")
    try:
        bundle = AESGCM(key).decrypt(nonce, encrypted, None)
    except InvalidTag:
        code.done.set_result(False)
        return
    shared = account.phone.identity.agree(identity)
    secret = hkdf(code.secret + shared + bundle[64:], 32, info=b"adv_secret")
    code.done.set_result(True)
    await _succeed(conn, account, conn.noise_public, identity, secret)


async def confirm(hub: Hub, conn: Connection, reply: Node) -> None:
    """Handle the answer to <pair-success>: the client is linked and must reconnect (stream error 515)."""
    device, conn.pairing = conn.pairing, None
    if device is None:
        return
    if reply.text("type") != "result":
        hub.pairings_refused += 1
        return
    device.account.devices[device.id] = device
    notices.devices_changed(hub, device, "add")
    phone_settings.publish(hub, device.account)
    await conn.drop(node("stream:error", {"code": 515}))


async def unlink(hub: Hub, device: Device, how: str) -> None:
    """Remove a linked device: "stream" tells its open connection, "silent" leaves it to its next login."""
    if device.account.devices.pop(device.id, None) is None:
        return
    notices.devices_changed(hub, device, "remove")
    if device.conn:
        gone = node("stream:error", {"code": 401}, node("conflict", {"type": "device_removed"}))
        await device.conn.drop(gone if how == "stream" else None)


async def _succeed(
    conn: Connection, account: Account, noise: bytes, identity: bytes, secret: bytes
) -> Device:
    """Send <pair-success>, whose HMAC proves that the phone had the secret of the QR code or of the code.

    ADVDeviceIdentity{rawID=1, timestamp=2, keyIndex=3}, in ADVSignedDeviceIdentity{details=1,
    accountSignatureKey=2, accountSignature=3}, in ADVSignedDeviceIdentityHMAC{details=1, HMAC=2}.
    """
    device = Device(account, account.next_device, noise, conn.full_history)
    account.next_device += 1
    details = pack(f1=account.adv_id, f2=now(), f3=device.id)
    phone: KeyPair = account.phone.identity
    signed = pack(f1=details, f2=phone.public, f3=phone.sign(b"\x06\x00" + details + identity))
    outer = pack(f1=signed, f2=hmac256(secret, signed))
    conn.pairing = device
    success = node(
        "pair-success",
        {},
        node("device-identity", {}, outer),
        node("device", {"jid": device.pn, "lid": device.lid}),
        node("platform", {"name": "android"}),
    )
    attrs: dict[str, Attr] = {"from": SERVER, "type": "set", "id": PAIR_SUCCESS, "xmlns": "md", "t": now()}
    await conn.send(node("iq", attrs, success))
    return device


def _code_key(code: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", code.encode(), salt, CODE_ROUNDS, 32)
