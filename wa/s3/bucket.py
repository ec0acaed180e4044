"""S3-compatible storage: Backblaze B2, Garage and others, through boto3."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from hashlib import md5 as md5_of
from typing import TYPE_CHECKING, Any

from wa.errors import WaError
from wa.s3.faults import Faults, code_of, message_of, region_wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wa.settings import Storage

_ABSENT = ("NoSuchKey", "404")
PART_FROM = 64 * 1024**2
"""Bytes above which a file goes in parts, because a request has 5 GB at most."""
_PART = 16 * 1024**2
"""Bytes of a part: an object has at most 10,000."""


class Bucket:
    """The objects of a bucket below the prefix in the settings. It connects when it is first used."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.refused: WaError | None = None
        """The refusal of a read: a key that may not list objects is refused missing objects too."""
        self._faults = Faults(storage)
        self._client = self._connected(storage.region or _region_in(storage.endpoint) or "us-east-1")

    def _connected(self, region: str) -> Any:
        import boto3  # a quarter of a second
        from botocore.config import Config

        storage = self._storage
        with self._faults.explained():
            client = boto3.client(  # of the one session, which reads the files about S3 once
                "s3",
                endpoint_url=storage.endpoint,
                region_name=region,
                aws_access_key_id=storage.key_id,
                aws_secret_access_key=storage.secret,
                config=Config(
                    connect_timeout=10,
                    read_timeout=60,
                    retries={"max_attempts": 3, "mode": "standard"},
                    s3={"addressing_style": "path"},
                    request_checksum_calculation="when_required",  # older servers know no other checksums
                    response_checksum_validation="when_required",
                ),
            )
            client.meta.events.register("before-parse.s3", self._faults.remember)
            return client

    def open(self, name: str) -> tuple[Body, int] | None:
        """Open an object to read; return it and its size in bytes, or None when there is no such object.

        Raise WaError `network-error` and `storage-error`.
        """
        key = self._storage.prefix + name
        with self._faults.explained():
            try:
                found = self._call(lambda client, bucket: client.get_object(Bucket=bucket, Key=key))
            except Exception as error:
                if code_of(error) in _ABSENT:
                    return None
                if code_of(error) in ("AccessDenied", "403"):
                    self.refused = self._faults.refusal(code_of(error), message_of(error))
                    return None
                raise
        if "ContentLength" not in found:
            raise self._faults.cut_off()
        return Body(self._faults, found["Body"]), int(found["ContentLength"])

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the names that begin with `prefix` and their sizes in bytes, page by page.

        Raise WaError `network-error` and `storage-error`, as the methods below do.
        """
        whole = self._storage.prefix + prefix
        after: dict[str, str] = {}
        last = None
        while True:
            with self._faults.explained():
                found = self._page(whole, after)
                page = [(each["Key"], int(each["Size"])) for each in found.get("Contents", [])]
            if "IsTruncated" not in found:  # the connection dropped in the headers: boto3 sees no body
                raise self._faults.cut_off()
            yield from ((key[len(self._storage.prefix) :], size) for key, size in page)
            if not found["IsTruncated"]:
                return
            if not page or page[-1][0] == last:
                raise self._faults.stuck()
            last = page[-1][0]
            if token := found.get("NextContinuationToken"):
                after = {"ContinuationToken": token}
            else:  # a server that knows only the first version of this request
                after = {"Marker": last}

    def _page(self, prefix: str, after: dict[str, str]) -> dict[str, Any]:
        """Return a page of the listing: the first, or one after a token or a key."""

        def ask(client: Any, bucket: str) -> Any:
            listing = client.list_objects if "Marker" in after else client.list_objects_v2
            return listing(Bucket=bucket, Prefix=prefix, **after)

        return dict(self._call(ask))

    def put(self, name: str, data: Path | bytes, md5: bytes) -> None:
        """Store an object: whole or not at all. The server checks the MD5 digest of what it gets.

        Raise WaError `storage-error` too when the bucket has kept something of another size.
        """
        key, digest = self._storage.prefix + name, base64.b64encode(md5).decode()
        size = len(data) if isinstance(data, bytes) else data.stat().st_size

        def send(client: Any, bucket: str) -> None:
            if isinstance(data, bytes):
                client.put_object(Bucket=bucket, Key=key, Body=data, ContentMD5=digest)
                return
            if size > PART_FROM:
                _put_in_parts(client, {"Bucket": bucket, "Key": key}, data)
                return
            with data.open("rb") as file:
                client.put_object(Bucket=bucket, Key=key, Body=file, ContentMD5=digest)

        with self._faults.explained():
            self._call(send)
        kept = dict(self.sizes(name)).get(name)
        if kept is not None and kept != size:  # None: the listing does not have it yet
            raise self._faults.cut_short(name, kept, size)

    def delete(self, name: str) -> None:
        """Remove an object; do nothing if there is no such object."""
        key = self._storage.prefix + name
        with self._faults.explained():
            self._call(lambda client, bucket: client.delete_object(Bucket=bucket, Key=key))

    def _call(self, ask: Callable[[Any, str], Any]) -> Any:
        """Send a request, and send it once more if the server names another region as its own."""
        try:
            return ask(self._client, self._storage.bucket)
        except Exception as error:
            region = region_wanted(error)
            if self._storage.region or not region:
                raise
            self._client = self._connected(region)
            return ask(self._client, self._storage.bucket)


class Body:
    """The content of an object as a file to read; it raises WaError as the bucket does."""

    def __init__(self, faults: Faults, body: Any) -> None:
        self._faults = faults
        self._body = body

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        with self._faults.explained():
            return bytes(self._body.read(None if size < 0 else size))

    def close(self) -> None:
        """End the download."""
        self._body.close()


def _put_in_parts(client: Any, target: dict[str, str], path: Path) -> None:
    """Upload a file in parts, each with its MD5 digest.

    Remove the parts of an upload that fails, and of an earlier one that was killed.
    """
    with suppress(Exception):  # a server, or a key, that cannot list them keeps them for a while
        begun = client.list_multipart_uploads(Bucket=target["Bucket"], Prefix=target["Key"])
        for left in begun.get("Uploads", []):
            if left["Key"] == target["Key"]:
                client.abort_multipart_upload(**target, UploadId=left["UploadId"])
    upload = {**target, "UploadId": client.create_multipart_upload(**target)["UploadId"]}
    parts: list[dict[str, Any]] = []
    try:
        with path.open("rb") as file:
            while data := file.read(_PART):
                digest = base64.b64encode(md5_of(data, usedforsecurity=False).digest()).decode()
                number = len(parts) + 1
                done = client.upload_part(**upload, PartNumber=number, Body=data, ContentMD5=digest)
                parts.append({"PartNumber": number, "ETag": done["ETag"]})
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    except BaseException:
        with suppress(Exception):
            client.abort_multipart_upload(**upload)
        raise


def _region_in(endpoint: str) -> str | None:
    """Return the region in an address such as https://s3.eu-central-003.backblazeb2.com, or None."""
    found = re.match(r"https?://s3[.-]([a-z]+-[a-z]+-[0-9]+)\.", endpoint)
    return found[1] if found else None
