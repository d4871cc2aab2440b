"""A strict S3 on loopback: path-style, signed requests (checked), conditional writes; what nobody uses is refused.

https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes import loopback
from tests.fakes.loopback import Reply, Request

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
    with loopback.served(lambda request: _answer(store, request)) as store.endpoint:
        yield store


def _answer(store: FakeS3, request: Request) -> Reply:
    bucket, _, key = unquote(urlsplit(request.path).path).lstrip("/").partition("/")
    with store.lock:
        store.requests.append((request.method, key))
    store.before(request.method, key)
    if store.away:
        return _failed(503, "SlowDown")
    if not _signed(request):
        return _failed(403, "SignatureDoesNotMatch")
    if bucket != BUCKET:
        return _failed(404, "NoSuchBucket")
    act = {"GET": _get, "PUT": _put, "DELETE": _delete}.get(request.method)
    if act is None:
        store.wrong.append(f"{request.method} {request.path}")
        return _failed(405, "MethodNotAllowed")
    with store.lock:
        return act(store, key, request)


def _get(store: FakeS3, key: str, request: Request) -> Reply:
    if not key:
        return _listed(store, request)
    if key not in store.objects:
        return _failed(404, "NoSuchKey")
    return Reply(200, store.objects[key], {"ETag": _tag(store.objects[key])})


def _listed(store: FakeS3, request: Request) -> Reply:
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    if query.get("list-type") != "2":
        store.wrong.append(f"GET {request.path}")
    after = query.get("continuation-token", "")
    keys = sorted(k for k in store.objects if k.startswith(query.get("prefix", "")) and k > after)
    page, more = keys[:_PAGE], len(keys) > _PAGE
    entries = "".join(f"<Contents><Key>{escape(k)}</Key></Contents>" for k in page)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    text = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}"
    return Reply(200, f"<ListBucketResult>{text}</ListBucketResult>".encode())


def _put(store: FakeS3, key: str, request: Request) -> Reply:
    there = store.objects.get(key)
    if source := request.headers.get("x-amz-copy-source"):
        from_key = unquote(source).lstrip("/").partition("/")[2]
        if from_key not in store.objects:
            return _failed(404, "NoSuchKey")
        store.objects[key] = store.objects[from_key]
        return Reply(200, f"<CopyObjectResult><ETag>{_tag(store.objects[key])}</ETag></CopyObjectResult>".encode())
    match, none = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if (match or none) and not store.conditions:
        return _failed(501, "NotImplemented")
    if match and there is None:
        return _failed(404, "NoSuchKey")
    if (match and match != _tag(there or b"")) or (none and there is not None):
        return _failed(412, "PreconditionFailed")
    store.objects[key] = request.body
    return Reply(200, b"", {"ETag": _tag(request.body)})


def _delete(store: FakeS3, key: str, request: Request) -> Reply:
    store.objects.pop(key, None)
    return Reply(204)


def _failed(status: int, code: str) -> Reply:
    return Reply(status, f"<Error><Code>{code}</Code><Message>{code} of the fake</Message></Error>".encode())


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _signed(request: Request) -> bool:
    """Whether a request is signed with the key (signature version 4) and its body is the one that was signed.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    headers, body = request.headers, request.body
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
    parts = urlsplit(request.path)
    query = sorted(parse_qs(parts.query, keep_blank_values=True).items())
    line = "&".join(f"{quote(n, safe='-_.~')}={quote(v[0], safe='-_.~')}" for n, v in query)
    names = fields["SignedHeaders"].split(";")
    signed = "".join(f"{name}:{' '.join((headers.get(name) or '').split())}\n" for name in names)
    canonical = "\n".join([request.method, parts.path, line, signed, ";".join(names), digest])
    when = headers.get("x-amz-date") or ""
    text = "\n".join([scheme, when, "/".join(scope[1:]), hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{KEY}".encode()
    for part in scope[1:]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"])
