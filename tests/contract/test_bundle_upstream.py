"""Official builds, fetched from a real HTTPS server on this machine that can be made to misbehave."""

from __future__ import annotations

import hashlib
import io
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from installer.bundle import upstream
from installer.bundle.components import Component, Source, Upstream
from installer.bundle.errors import SourceUnreachableError
from installer.core.errors import BundleError

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server:
    """Serves `files`; an entry of `misbehave` answers the next request for its path instead."""

    def __init__(self, certificate: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.misbehave: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str]] = []  # path, range
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Range", "")))
                content = server.files.get(self.path)
                if waiting := server.misbehave.get(self.path):
                    waiting.pop(0)(self, content or b"")
                elif content is None:
                    self.send_error(404)
                else:
                    answer(self, content)

            def log_message(self, *args: object) -> None:
                """Tests look at `asked`."""

        return Handler


def answer(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """As a good server does: whole, or the range that is asked for."""
    wanted = request.headers.get("Range", "")
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    if start >= len(content) > 0:
        request.send_error(416)
        return
    request.send_response(206 if wanted else 200)
    request.send_header("Content-Length", str(len(content) - start))
    request.end_headers()
    request.wfile.write(content[start:])


def break_off(after: int) -> Answer:
    """Close the connection after so many bytes."""

    def act(request: BaseHTTPRequestHandler, content: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[:after])
        request.close_connection = True

    return act


def ignore_ranges(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send all of it, whatever is asked for."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def busy(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """A fault that passes."""
    request.send_error(503)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def packed(**files: bytes) -> bytes:
    """An archive as upstream makes it: everything in a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"thing-v1/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of 127.0.0.1, which signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return file


@pytest.fixture
def server(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that this process trusts, and an empty cache."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "cache"))
    made = Server(certificate)
    yield made
    made.close()


def component(server: Server, url: str, *outputs: str, checksums: str = "/SHA256SUMS") -> Component:
    return Component(
        name="thing",
        version="1",
        title="thing 1",
        seconds=1,
        source=Source(module="thing", packages={output: output for output in outputs}),
        upstream=Upstream(url=server.url + url, checksums=server.url + checksums),
    )


def make(server: Server, one: Component, folder: Path, digests: dict[str, str]) -> dict[str, bytes]:
    """What a build of the component by its official recipe leaves."""
    recipe = upstream.recipe(one, {server.url + path: digest for path, digest in digests.items()})
    assert recipe is not None
    recipe.make(folder, {}, lambda detail, share: None)
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_programs_are_taken_out_of_an_archive(server: Server, tmp_path: Path) -> None:
    """By their names, and nothing else of it."""
    archive = packed(etcd=b"etcd", etcdctl=b"etcdctl", README=b"read me")
    server.files["/etcd.tar.gz"] = archive
    one = component(server, "/etcd.tar.gz", "bin/etcd", "bin/etcdctl")
    made = make(server, one, tmp_path / "out", {"/etcd.tar.gz": sha256(archive)})
    assert made == {"bin/etcd": b"etcd", "bin/etcdctl": b"etcdctl"}
    assert list((tmp_path / "cache/downloads").iterdir()) == []


def test_programs_that_are_files_of_their_own_are_fetched_one_by_one(server: Server, tmp_path: Path) -> None:
    """As Kubernetes publishes them."""
    server.files |= {"/bin/kubelet": b"kubelet", "/bin/kubectl": b"kubectl"}
    one = component(server, "/bin/{file}", "kubernetes/1/kubelet", "kubernetes/1/kubectl")
    digests = {"/bin/kubelet": sha256(b"kubelet"), "/bin/kubectl": sha256(b"kubectl")}
    made = make(server, one, tmp_path / "out", digests)
    assert made == {"kubernetes/1/kubelet": b"kubelet", "kubernetes/1/kubectl": b"kubectl"}


def test_a_file_with_another_digest_is_refused(server: Server, tmp_path: Path) -> None:
    """It is not kept, and the build does not turn to another source by itself."""
    server.files["/etcd"] = b"something else"
    with pytest.raises(BundleError, match="not the pinned") as caught:
        upstream.fetch(f"{server.url}/etcd", sha256(b"etcd"), tmp_path)
    assert not isinstance(caught.value, SourceUnreachableError)
    assert list(tmp_path.glob("*.part")) == []


def test_a_transfer_that_broke_off_goes_on(server: Server, tmp_path: Path) -> None:
    """Only the rest is asked for."""
    content = bytes(range(256)) * 4000
    server.files["/etcd"] = content
    server.misbehave["/etcd"] = [break_off(300_000)]
    assert upstream.fetch(f"{server.url}/etcd", sha256(content), tmp_path).read_bytes() == content
    (first, whole), (second, rest) = server.asked
    assert (first, whole, second) == ("/etcd", "", "/etcd")
    assert 0 < int(rest.removeprefix("bytes=").removesuffix("-")) <= 300_000


def test_a_server_that_knows_no_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    """What was there is written over, not added to."""
    content = b"0123456789" * 1000
    server.files["/etcd"] = content
    server.misbehave["/etcd"] = [break_off(5000), ignore_ranges]
    assert upstream.fetch(f"{server.url}/etcd", sha256(content), tmp_path).read_bytes() == content


def test_what_was_fetched_whole_before_a_break_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    """Killed between the last byte and the check."""
    (tmp_path / f"{sha256(b'etcd')}.part").write_bytes(b"etcd")
    server.files["/etcd"] = b"etcd"
    assert upstream.fetch(f"{server.url}/etcd", sha256(b"etcd"), tmp_path).read_bytes() == b"etcd"
    assert server.asked == [("/etcd", "bytes=4-")]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    """Its fault passes."""
    server.files["/etcd"] = b"etcd"
    server.misbehave["/etcd"] = [busy, busy]
    assert upstream.fetch(f"{server.url}/etcd", sha256(b"etcd"), tmp_path).read_bytes() == b"etcd"


def test_what_is_not_published_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    """Another source may have it."""
    with pytest.raises(SourceUnreachableError, match="404"):
        upstream.fetch(f"{server.url}/etcd", "0" * 64, tmp_path)
    assert len(server.asked) == 1


def test_a_server_that_nobody_vouches_for_is_not_believed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for a checksum."""
    monkeypatch.delenv("SSL_CERT_FILE")
    server.files["/SHA256SUMS"] = f"{sha256(b'etcd')}  etcd\n".encode()
    with pytest.raises(SourceUnreachableError, match="certificate verify failed"):
        upstream.pin([component(server, "/etcd", "bin/etcd")], tmp_path / "checksums.txt")
    assert server.asked == []


def test_an_archive_without_the_program_is_told(server: Server, tmp_path: Path) -> None:
    """Upstream has renamed it."""
    archive = packed(other=b"other")
    server.files["/etcd.tar.gz"] = archive
    with pytest.raises(BundleError, match="has no file etcd"):
        make(server, component(server, "/etcd.tar.gz", "bin/etcd"), tmp_path / "out", {"/etcd.tar.gz": sha256(archive)})


@pytest.mark.parametrize(
    "text",
    [
        "{digest}",
        "{digest}  etcd\n",
        "{digest} *etcd\n",
        "0000000000000000000000000000000000000000000000000000000000000000  other\n{digest}  ./release/etcd\n",
    ],
    ids=["alone", "named", "binary", "among others"],
)
def test_digests_are_pinned_from_what_the_makers_state(server: Server, tmp_path: Path, text: str) -> None:
    """In the forms that are in use; what is pinned is not asked for again."""
    server.files["/SHA256SUMS"] = text.format(digest=sha256(b"etcd")).encode()
    file, one = tmp_path / "checksums.txt", component(server, "/etcd", "bin/etcd")
    assert upstream.pin([one], file) == (f"{server.url}/etcd",)
    assert upstream.pins(file) == {f"{server.url}/etcd": sha256(b"etcd")}
    assert upstream.pin([one], file) == ()
    assert len(server.asked) == 1


def test_makers_who_state_no_digest_are_told(server: Server, tmp_path: Path) -> None:
    """Nothing is written then."""
    server.files["/SHA256SUMS"] = b"<html>not found</html>"
    with pytest.raises(BundleError, match="has no sha256 of etcd"):
        upstream.pin([component(server, "/etcd", "bin/etcd")], tmp_path / "checksums.txt")
    assert not (tmp_path / "checksums.txt").exists()
