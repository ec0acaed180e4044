"""A small S3 server with the manners of some real ones, and of what is none; on 127.0.0.1 alone.

It keeps its objects in memory, checks MD5 digests, and knows uploads in parts.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote

PAGE = 2
"""Objects on a page of a listing."""


class OddS3(ThreadingHTTPServer):
    """The server. `manner` is changed by a test at any time."""

    daemon_threads = True

    def __init__(self, manner: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manner = manner
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.listed = 0
        self.in_parts: list[list[int]] = []
        """The sizes of the parts of each upload that was completed."""

    def settings(self) -> dict[str, str]:
        """Return the settings with which `wa` finds it."""
        return {
            "B2_BUCKET": "odd",
            "B2_S3_ENDPOINT": f"http://127.0.0.1:{self.server_address[1]}",
            "B2_ACCESS_KEY_ID": "WAODDKEY",
            "B2_SECRET_ACCESS_KEY": "a-secret-of-no-use",
            "B2_PREFIX": "home/",
        }


@contextmanager
def serving(manner: str = "plain") -> Iterator[OddS3]:
    """Serve in a block."""
    server = OddS3(manner)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OddS3

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(
        self, status: int, body: str | bytes = "", kind: str = "application/xml", **headers: str
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>")

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        key = path.lstrip("/").partition("/")[2]
        wanted = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        manner, is_put = self.server.manner, self.command == "PUT"
        if manner == "a web server":
            self._answer(200, "<html><body><h1>Welcome to nginx!</h1></body></html>", "text/html")
        elif manner == "a proxy":
            self._answer(502, "<html><body>The gateway is on holiday</body></html>", "text/html")
        elif manner == "elsewhere":
            self._answer(301, Location="https://example.invalid/")
        elif manner == "too much" and is_put:
            self._answer(413, "<html>413 Request Entity Too Large</html>", "text/html")
        elif manner == "another clock":
            self._refuse(403, "RequestTimeTooSkewed", "The difference between the clocks is too large.")
        elif manner == "full" and is_put:
            self._refuse(403, "AccessDenied", "Cannot upload files, storage cap exceeded.")
        elif "uploads" in wanted or "uploadId" in wanted:
            self._part(key, wanted, body)
        elif is_put:
            self._put(key, body)
        elif self.command == "DELETE":
            self.server.objects.pop(key, None)
            self._answer(204)
        elif key:
            found = self.server.objects.get(key)
            self._answer(200, found) if found is not None else self._refuse(404, "NoSuchKey", "no")
        else:
            self._list(wanted)

    def _put(self, key: str, body: bytes) -> None:
        digest = self.headers.get("Content-MD5")
        if digest and base64.b64decode(digest) != hashlib.md5(body).digest():  # noqa: S324
            self._refuse(400, "BadDigest", "no")
            return
        cut = self.server.manner == "cuts" and not key.endswith(".sha256")
        self.server.objects[key] = body[: len(body) // 2] if cut else body
        self._answer(200, ETag='"x"')

    def _part(self, key: str, wanted: dict[str, str], body: bytes) -> None:
        uploads, number = self.server.uploads, wanted.get("uploadId", "")
        if self.command == "GET":
            key = wanted["prefix"]
            begun = (f"<Upload><Key>{key}</Key><UploadId>{each}</UploadId></Upload>" for each in uploads)
            self._answer(200, f"<ListMultipartUploadsResult>{''.join(begun)}</ListMultipartUploadsResult>")
        elif self.command == "POST" and not number:
            uploads[f"up{len(uploads) + len(self.server.in_parts)}"] = {}
            result = f"<UploadId>{list(uploads)[-1]}</UploadId>"
            self._answer(200, f"<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>")
        elif self.command == "PUT":
            if self.server.manner == "ends in parts" and wanted["partNumber"] == "2":
                self._refuse(400, "InvalidPart", "This part is not taken.")
                return
            digest = base64.b64decode(self.headers["Content-MD5"])
            assert digest == hashlib.md5(body).digest()  # noqa: S324
            uploads[number][int(wanted["partNumber"])] = body
            self._answer(200, ETag=f'"{wanted["partNumber"]}"')
        elif self.command == "DELETE":
            uploads.pop(number, None)
            self._answer(204)
        else:
            parts = [data for _, data in sorted(uploads.pop(number).items())]
            self.server.in_parts.append([len(each) for each in parts])
            self.server.objects[key] = b"".join(parts)
            self._answer(200, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def _list(self, wanted: dict[str, str]) -> None:
        self.server.listed += 1
        manner = self.server.manner
        names = sorted(name for name in self.server.objects if name.startswith(wanted.get("prefix", "")))
        after = wanted.get("continuation-token") or wanted.get("marker", "")
        page = [name for name in names if name > after]
        is_cut = False
        if manner in ("the first version", "goes round"):
            page, is_cut = page[:PAGE], len(page) > PAGE
        if manner == "goes round":
            page, is_cut = names[:PAGE], True
        found = "".join(
            f"<Contents><Key>{quote(name)}</Key><Size>{len(self.server.objects[name])}</Size></Contents>"
            for name in page
        )
        self._answer(
            200,
            f"<ListBucketResult><Name>odd</Name><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{found}</ListBucketResult>",
        )

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _handle  # noqa: N815
