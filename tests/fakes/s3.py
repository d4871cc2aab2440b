"""A strict S3 on loopback: path-style, signed requests (checked), conditional writes; what nobody uses is refused.

https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET, REGION = "states", "eu-test-1"
KEY_ID, KEY = "AKIATEST", "key-of-the-fake-store"
ENV = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_EC2_METADATA_DISABLED": "true"}
_PAGE = 3  # keys a listing: so small that every test of more sees a second page


@dataclass
class FakeS3:
    """`objects` by key. `conditions`: whether it knows them. `before`: called with (method, key) of each request."""

    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what a client must never do
    conditions: bool = True
    away: bool = False  # whether it answers that it is not well
    before: Callable[[str, str], None] = lambda method, key: None
    endpoint: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        """As a state's."""
        return f"s3://{BUCKET}/team?region={REGION}&endpoint={self.endpoint}"


@contextmanager
def served(store: FakeS3) -> Iterator[FakeS3]:
    """Serve it for the length of a `with` block."""
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    store: FakeS3
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # an answer goes out as one packet

    def handle_expect_100(self) -> bool:
        found = super().handle_expect_100()
        self.wfile.flush()
        return found

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, act: Callable[[str], None]) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        store = self.store
        with store.lock:
            store.requests.append((self.command, key))
        store.before(self.command, key)
        if store.away:
            self._fail(503, "SlowDown")
        elif not _signed(self.command, self.path, self.headers, self.body):
            self._fail(403, "SignatureDoesNotMatch")
        elif bucket != BUCKET:
            self._fail(404, "NoSuchBucket")
        else:
            with store.lock:
                act(key)

    def _get(self, key: str) -> None:
        if not key:
            self._list()
        elif key in self.store.objects:
            self._send(200, self.store.objects[key], {"ETag": _tag(self.store.objects[key])})
        else:
            self._fail(404, "NoSuchKey")

    def _list(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if query.get("list-type") != "2":
            self.store.wrong.append(f"GET {self.path}")
        after = query.get("continuation-token", "")
        keys = sorted(k for k in self.store.objects if k.startswith(query.get("prefix", "")) and k > after)
        page, more = keys[:_PAGE], len(keys) > _PAGE
        entries = "".join(f"<Contents><Key>{escape(k)}</Key></Contents>" for k in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}"
        self._send(200, f"<ListBucketResult>{text}</ListBucketResult>".encode(), {})

    def _put(self, key: str) -> None:
        store, there = self.store, self.store.objects.get(key)
        if source := self.headers.get("x-amz-copy-source"):
            from_key = unquote(source).lstrip("/").partition("/")[2]
            if from_key not in store.objects:
                self._fail(404, "NoSuchKey")
                return
            store.objects[key] = store.objects[from_key]
            self._send(
                200, f"<CopyObjectResult><ETag>{_tag(store.objects[key])}</ETag></CopyObjectResult>".encode(), {}
            )
            return
        match, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if (match or none) and not store.conditions:
            self._fail(501, "NotImplemented")
        elif match and there is None:
            self._fail(404, "NoSuchKey")
        elif (match and match != _tag(there or b"")) or (none and there is not None):
            self._fail(412, "PreconditionFailed")
        else:
            store.objects[key] = self.body
            self._send(200, b"", {"ETag": _tag(self.body)})

    def _delete(self, key: str) -> None:
        self.store.objects.pop(key, None)
        self._send(204, b"", {})

    def _fail(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code} of the fake</Message></Error>".encode(), {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _signed(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a request is signed with the key (signature version 4) and its body is the one that was signed.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    scheme, _, rest = (headers.get("Authorization") or "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return False
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    scope = fields["Credential"].split("/")
    if scope[0] != KEY_ID or scope[2:] != [REGION, "s3", "aws4_request"]:
        return False
    digest = headers.get("x-amz-content-sha256") or ""
    if digest not in {hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"}:
        return False
    parts = urlsplit(path)
    query = sorted(parse_qs(parts.query, keep_blank_values=True).items())
    line = "&".join(f"{quote(n, safe='-_.~')}={quote(v[0], safe='-_.~')}" for n, v in query)
    names = fields["SignedHeaders"].split(";")
    signed = "".join(f"{name}:{' '.join((headers.get(name) or '').split())}\n" for name in names)
    canonical = "\n".join([method, parts.path, line, signed, ";".join(names), digest])
    when = headers.get("x-amz-date") or ""
    text = "\n".join([scheme, when, "/".join(scope[1:]), hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{KEY}".encode()
    for part in scope[1:]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"])
