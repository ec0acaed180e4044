"""The media host: it gives out the right to upload, checks and keeps uploads, and serves downloads.

An upload is POST /mms/<type>/<token>?auth=…&token=…: the token is the SHA-256 of the encrypted file in
URL-safe base64, with or without its padding; `auth` is from an answer to a query for a media connection. The
codes of refusals are guesses, never compared with real servers: 401 for an `auth` that is unknown or has
expired, 404 for a type of media that no client here has, and 400 for bytes whose SHA-256 is not the token's.
A file that was cut short or has grown gets 400 too, because its SHA-256 is another.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
import secrets
import time
from urllib.parse import parse_qs, unquote, urlsplit

from relay.hub import Hub
from relay.model import Account
from relay.net import MEDIA_HOST, Reply, Request
from relay.wabin import Attr, Node, node

MOST_TTL = 300
"""The most seconds for which a client is told to use one answer; its `auth` is valid for longer."""
TYPES = "image|video|audio|ptt|document|md-msg-hist|md-app-state|thumbnail-link|sticker-pack"
UPLOADS = re.compile(rf"/mms/(?:{TYPES})/([A-Za-z0-9_-]+={{0,2}})")
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def connection(hub: Hub, account: Account) -> Node:
    """Return the answer to a query for a media connection, with a new `auth` for this account."""
    auth, seconds = secrets.token_urlsafe(24), account.media_auth_seconds
    hub.media_auths[auth] = account.number, time.time() + seconds
    ttl = min(MOST_TTL, seconds // 2)
    attrs: dict[str, Attr] = {"auth": auth, "ttl": ttl, "auth_ttl": seconds, "max_buckets": 12}
    return node("media_conn", attrs, node("host", {"hostname": MEDIA_HOST}))


def expire(hub: Hub, account: Account) -> int:
    """End every `auth` of an account at once, as servers may; return how many there were."""
    ended = [auth for auth, (number, _) in hub.media_auths.items() if number == account.number]
    for auth in ended:
        hub.media_auths[auth] = account.number, 0.0
    return len(ended)


def cut_after(hub: Hub, request: Request) -> int | None:
    """Return the number of bytes after which the fault `upload` cuts an upload, None if it does not."""
    account = _account(hub, request)
    fault = account.faults.get("upload") if account and request.method == "POST" else None
    if account is None or fault is None or "cut_after" not in fault:
        return None
    account.take_fault("upload")
    _note(hub, request, account.number, 0)
    return int(fault["cut_after"])


async def answer(hub: Hub, request: Request) -> Reply:
    """Answer a request to the media host."""
    if request.method == "GET":
        return _download(hub, request)
    account = _account(hub, request)
    if account is None:
        reply = Reply(401)
    elif request.method == "DELETE":
        reply = _delete(hub, request)
    elif request.method == "POST":
        if late := account.faults.get("upload", {}).get("seconds"):
            _note(hub, request, account.number, 0)
            await asyncio.sleep(late)
        reply = _upload(hub, account, request)
    else:
        reply = Reply(405)
    if request.method == "POST":
        _note(hub, request, account.number if account else "", reply.status)
    return reply


def _account(hub: Hub, request: Request) -> Account | None:
    """Return the account whose `auth` a request has, None if it is unknown or has expired."""
    number, until = hub.media_auths.get(_query(request, "auth"), ("", 0.0))
    return hub.accounts.get(number) if time.time() < until else None


def _upload(hub: Hub, account: Account, request: Request) -> Reply:
    fault, body = account.take_fault("upload") or {}, request.body
    if "code" in fault:
        return Reply(int(fault["code"]))
    if fault.get("mangle"):
        body = body[:-1] + bytes([body[-1] ^ 1])
    found = UPLOADS.fullmatch(unquote(urlsplit(request.target).path))
    if found is None:
        return Reply(404)
    token = found[1]
    if {_decoded(token), _decoded(_query(request, "token"))} != {hashlib.sha256(body).digest()}:
        return Reply(400)
    stored = "/v/" + token.rstrip("=")
    if not fault.get("lose"):
        hub.media[stored] = body
    where = {"url": f"https://{MEDIA_HOST}{stored}?ccb=1", "direct_path": f"{stored}?ccb=1"}
    return Reply(200, json.dumps(where).encode(), "application/json")


def _delete(hub: Hub, request: Request) -> Reply:
    """Delete a file; its place, in base64, is in `d_md`. A client does so with a history it has read."""
    place = (_decoded(_query(request, "d_md")) or b"").decode(errors="replace")
    return Reply(404 if hub.media.pop(place, None) is None else 200)


def _download(hub: Hub, request: Request) -> Reply:
    """Return a file, or the range of it that was asked for."""
    data = hub.media.get(urlsplit(request.target).path)
    if data is None:
        return Reply(404)
    asked = RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None:
        return Reply(200, data)
    first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
    if first > last:
        return Reply(416, headers={"Content-Range": f"bytes */{len(data)}"})
    return Reply(206, data[first : last + 1], headers={"Content-Range": f"bytes {first}-{last}/{len(data)}"})


def _decoded(token: str) -> bytes | None:
    """Return the bytes of a token or of another text in URL-safe base64, None if it is none."""
    try:
        return base64.urlsafe_b64decode(token.rstrip("=") + "=" * (-len(token.rstrip("=")) % 4))
    except binascii.Error:
        return None


def _query(request: Request, name: str) -> str:
    return parse_qs(urlsplit(request.target).query).get(name, [""])[0]


def _note(hub: Hub, request: Request, number: str, status: int) -> None:
    """Note an upload for tests; status 0 is one that was cut, or is not answered yet."""
    kind = urlsplit(request.target).path.split("/")[2:3]
    about = {"number": number, "kind": kind[0] if kind else "", "bytes": len(request.body)}
    hub.uploads.append({**about, "status": status})
