"""S3-compatible storage: Backblaze B2, Garage and others, through boto3."""

from __future__ import annotations

import base64
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wa.errors import WaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wa.settings import Storage

_REFUSED = ("AccessDenied", "Forbidden", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401")
_ABSENT = ("NoSuchKey", "404")


class Bucket:
    """The objects of a bucket below the prefix in the settings. It connects when it is first used."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.refused: WaError | None = None
        """The refusal of a read: a key that may not list objects is refused missing objects too."""
        self._client = self._connected(storage.region or _region_in(storage.endpoint) or "us-east-1")

    def _connected(self, region: str) -> Any:
        import boto3  # a quarter of a second
        from botocore.config import Config

        storage = self._storage
        with self._explained():
            return boto3.client(  # of the one session, which reads the files about S3 once
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

    def open(self, name: str) -> tuple[Body, int] | None:
        """Open an object to read; return it and its size in bytes, or None when there is no such object.

        Raise WaError `network-error` and `storage-error`.
        """
        key = self._storage.prefix + name
        with self._explained():
            try:
                found = self._call(lambda client, bucket: client.get_object(Bucket=bucket, Key=key))
            except Exception as error:
                if _code_of(error) in _ABSENT:
                    return None
                if _code_of(error) in ("AccessDenied", "403"):
                    self.refused = self._refusal(_code_of(error))
                    return None
                raise
        if "ContentLength" not in found:
            raise self._cut_off()
        return Body(self, found["Body"]), int(found["ContentLength"])

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the names that begin with `prefix` and their sizes in bytes, page by page.

        Raise WaError `network-error` and `storage-error`, as the methods below do.
        """
        whole = self._storage.prefix + prefix
        after: dict[str, str] = {}
        while True:
            with self._explained():
                found = self._call(
                    lambda client, bucket: client.list_objects_v2(Bucket=bucket, Prefix=whole, **after)  # noqa: B023
                )
            if "IsTruncated" not in found:  # the connection dropped in the headers: boto3 sees no body
                raise self._cut_off()
            for each in found.get("Contents", []):
                yield each["Key"][len(self._storage.prefix) :], int(each["Size"])
            if not found["IsTruncated"]:
                return
            after = {"ContinuationToken": found["NextContinuationToken"]}

    def put(self, name: str, data: Path | bytes, md5: bytes) -> None:
        """Store an object in one request: whole or not at all. The server checks the MD5 digest."""
        key, digest = self._storage.prefix + name, base64.b64encode(md5).decode()

        def send(client: Any, bucket: str) -> None:
            if isinstance(data, bytes):
                client.put_object(Bucket=bucket, Key=key, Body=data, ContentMD5=digest)
                return
            with data.open("rb") as file:
                client.put_object(Bucket=bucket, Key=key, Body=file, ContentMD5=digest)

        with self._explained():
            self._call(send)

    def delete(self, name: str) -> None:
        """Remove an object; do nothing if there is no such object."""
        key = self._storage.prefix + name
        with self._explained():
            self._call(lambda client, bucket: client.delete_object(Bucket=bucket, Key=key))

    def _call(self, ask: Callable[[Any, str], Any]) -> Any:
        """Send a request, and send it once more if the server names another region as its own."""
        try:
            return ask(self._client, self._storage.bucket)
        except Exception as error:
            region = _region_wanted(error)
            if self._storage.region or not region:
                raise
            self._client = self._connected(region)
            return ask(self._client, self._storage.bucket)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise an error of boto3 as a WaError that the user can act on, and that shows no key."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            EndpointResolutionError,
            InvalidRegionError,
            ParamValidationError,
        )

        storage = self._storage
        where = f"{storage.endpoint}, bucket {storage.bucket}"
        try:
            yield
        except ClientError as error:
            code = _code_of(error)
            if code == "NoSuchBucket":
                raise WaError(
                    "storage-error",
                    f"there is no bucket {storage.bucket} at {storage.endpoint}",
                    "check B2_BUCKET",
                ) from None
            if code in _REFUSED:
                raise self._refusal(code) from None
            raise WaError("storage-error", f"{where}: {code}", "try again later") from None
        except (ValueError, InvalidRegionError, ParamValidationError, EndpointResolutionError) as error:
            raise WaError(
                "bad-setting",
                f"the storage settings cannot be used: {type(error).__name__}",
                "check B2_S3_ENDPOINT, B2_BUCKET and B2_REGION",
            ) from None
        except (BotoCoreError, OSError) as error:
            reason = type(error).__name__
            raise WaError(
                "network-error",
                f"{where} cannot be reached ({reason})",
                "check B2_S3_ENDPOINT and the network",
            ) from None

    def _cut_off(self) -> WaError:
        where = f"{self._storage.endpoint}, bucket {self._storage.bucket}"
        return WaError("network-error", f"{where}: the answer was cut off", "try again")

    def _refusal(self, code: str) -> WaError:
        return WaError(
            "storage-error",
            f"{self._storage.endpoint}, bucket {self._storage.bucket}: access was refused ({code})",
            "check B2_ACCESS_KEY_ID and B2_SECRET_ACCESS_KEY, and what that key may do",
        )


class Body:
    """The content of an object as a file to read; it raises WaError as the bucket does."""

    def __init__(self, bucket: Bucket, body: Any) -> None:
        self._bucket = bucket
        self._body = body

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        with self._bucket._explained():
            return bytes(self._body.read(None if size < 0 else size))

    def close(self) -> None:
        """End the download."""
        self._body.close()


def _code_of(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _region_in(endpoint: str) -> str | None:
    """Return the region in an address such as https://s3.eu-central-003.backblazeb2.com, or None."""
    found = re.match(r"https?://s3[.-]([a-z]+-[a-z]+-[0-9]+)\.", endpoint)
    return found[1] if found else None


def _region_wanted(error: Exception) -> str | None:
    """Return the region that a server names when it refuses another one (Garage: `garage`); else None."""
    if _code_of(error) not in (
        "AuthorizationHeaderMalformed",
        "InvalidRegion",
        "AuthorizationQueryParametersError",
    ):
        return None
    detail: dict[str, Any] = error.response["Error"]  # type: ignore[attr-defined]
    said = re.search(
        r"(?:expect\w*|should be)\D{0,12}?['\"/:]+([a-z][a-z0-9-]+)", str(detail.get("Message", ""))
    )
    return str(detail.get("Region") or (said[1] if said else "garage"))
