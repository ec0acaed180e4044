"""What goes wrong with a storage, as errors that the user can act on, and that show no key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wa.errors import WaError
from wa.settings import Storage

_REFUSED = ("AccessDenied", "Forbidden", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401")
_SKEWED = ("RequestTimeTooSkewed", "RequestExpired")
_LONGEST = 200
"""The most characters that are shown of what a server says."""


class Faults:
    """The faults of one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._where = f"{storage.endpoint}, bucket {storage.bucket}"
        self._page = ""
        """The words of the last answer, if that was no XML: the page of a proxy, or of a web server."""

    def remember(self, response_dict: dict[str, Any], **_: Any) -> None:
        """Keep the words of an answer that is no XML; boto3 calls this before it reads an answer."""
        body = response_dict.get("body")
        text = body[:4096].decode("utf-8", "replace").lstrip() if isinstance(body, bytes) else ""
        is_xml = re.match(r"<\?xml|<\w+Result\b|<Error\b", text)
        self._page = "" if is_xml else re.sub(r"<[^>]*>?", " ", text)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise an error of boto3, or of an answer that is incomplete, as a WaError."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            EndpointResolutionError,
            InvalidRegionError,
            ParamValidationError,
        )
        from botocore.parsers import ResponseParserError

        try:
            yield
        except WaError:
            raise
        except ClientError as error:
            raise self._of_server(code_of(error), message_of(error)) from None
        except ResponseParserError:
            raise self._no_storage() from None
        except (ValueError, InvalidRegionError, ParamValidationError, EndpointResolutionError) as error:
            raise WaError(
                "bad-setting",
                f"the storage settings cannot be used: {type(error).__name__}",
                "check B2_S3_ENDPOINT, B2_BUCKET and B2_REGION",
            ) from None
        except (BotoCoreError, OSError) as error:
            raise WaError(
                "network-error",
                f"{self._where} cannot be reached ({type(error).__name__})",
                "check B2_S3_ENDPOINT and the network",
            ) from None
        except RecursionError:  # boto3 asks where it was sent to, and is sent on again
            told = self._told("it sends every request somewhere else")
            raise WaError("storage-error", told, "check B2_S3_ENDPOINT and B2_REGION") from None
        except Exception as error:
            told = self._told(f"its answer cannot be read ({type(error).__name__}: {error})")
            raise WaError("storage-error", told, "check B2_S3_ENDPOINT") from None

    def _of_server(self, code: str, message: str) -> WaError:
        if code == "NoSuchBucket":
            where = f"there is no bucket {self._storage.bucket} at {self._storage.endpoint}"
            return WaError("storage-error", where, "check B2_BUCKET")
        if code in _REFUSED:
            return self.refusal(code, message)
        hint = "try again later"
        if code in _SKEWED:
            hint = "check the clock of this computer: timedatectl set-ntp true"
        return WaError("storage-error", self._told(code, message), hint)

    def refusal(self, code: str, message: str) -> WaError:
        """Return the error for a request that was refused, with what the server says of it."""
        return WaError(
            "storage-error",
            self._told(f"access was refused ({code})", message),
            "check B2_ACCESS_KEY_ID and B2_SECRET_ACCESS_KEY, and what that key may do",
        )

    def cut_off(self) -> WaError:
        """Return the error for an answer that ended early, or is none of a storage."""
        if self._page:
            return self._no_storage()
        return WaError("network-error", f"{self._where}: the answer was cut off", "try again")

    def _no_storage(self) -> WaError:
        told = self._told("what answers there is no S3 storage")
        return WaError("storage-error", told, "check B2_S3_ENDPOINT")

    def stuck(self) -> WaError:
        """Return the error for a listing whose next page is the same one."""
        return WaError("storage-error", f"{self._where}: the listing does not go on", "try again later")

    def cut_short(self, name: str, kept: int, size: int) -> WaError:
        """Return the error for an object of which the storage has kept another size than it was sent."""
        message = f"{self._where}: of {size:,} bytes of {name} it kept {kept:,}"
        return WaError("storage-error", message, "the next run uploads it again")

    def _told(self, what: str, message: str = "") -> str:
        """Return a fault with what the server says of it, without our keys."""
        said = " ".join((self._page or message).split())
        for secret in (self._storage.secret, self._storage.key_id):
            said = said.replace(secret, "…")
        shown = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"
        return f"{self._where}: {what}" + (f": {shown}" if shown else "")


def code_of(error: Exception) -> str:
    """Return the code in a server's answer, else its HTTP status; "" if there is neither."""
    answer = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})
    return str(_said(error).get("Code", "") or answer.get("HTTPStatusCode", ""))


def message_of(error: Exception) -> str:
    """Return the message in a server's answer, "" if there is none."""
    return str(_said(error).get("Message", ""))


def _said(error: Exception) -> dict[str, Any]:
    return dict((getattr(error, "response", None) or {}).get("Error", {}))


def region_wanted(error: Exception) -> str | None:
    """Return the region that a server names when it refuses another one (Garage: `garage`); else None."""
    if code_of(error) not in (
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
