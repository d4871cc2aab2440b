"""Authorities that others follow: what each stage changes, and that nobody is refused on the way, by real TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path

import pytest

from installer.core.errors import InfrastructureError
from installer.core.secret import Secret
from installer.kubernetes import host, issue, node, pki, rotation
from installer.kubernetes.pki import CertificateAuthority, Credential, Subject
from installer.kubernetes.roots import Roots, Stage
from installer.provision.provider.secrets import PlatformSecrets

SERVER = Subject("server", names=("127.0.0.1",), server=True, client=False)
CLIENT = Subject("client")


def _all_stages() -> list[Roots]:
    """From settled to settled."""
    found = [Roots.generate("harbor")]
    while len(found) < len(Stage) + 1:
        found.append(rotation.advanced(found[-1]))
    return found


STAGES = _all_stages()


def _of(roots: Roots) -> CertificateAuthority:
    return roots.authorities["kubernetes"]


def test_each_stage_changes_one_thing() -> None:
    """First what is trusted, then what issues, then what is trusted; the last only notes that all is well."""
    settled, _trust, _reissue, drop, end = STAGES
    assert [roots.stage for roots in STAGES] == [Stage.SETTLED, Stage.TRUST, Stage.REISSUE, Stage.DROP, Stage.SETTLED]
    for kind in settled.authorities:
        old, successor = settled.authorities[kind].cert_pem, drop.authorities[kind].cert_pem
        issuers = [roots.authorities[kind].cert_pem for roots in STAGES]
        trusted = [roots.authorities[kind].trusted for roots in STAGES]
        assert old != successor
        assert issuers == [old, old, successor, successor, successor]
        assert trusted == [old, old + successor, successor + old, successor, successor]
    assert [bool(_of(roots).next_key) for roots in STAGES] == [False, True, False, False, False]
    assert replace(drop, stage=Stage.SETTLED) == end
    assert len({roots.marker for roots in STAGES}) == len(STAGES) - 1  # nobody starts anew for the last


def test_keys_that_are_no_authoritys_stay() -> None:
    """Tokens of service accounts and Secrets at rest are read as before."""
    for roots in STAGES:
        assert roots.service_account_key == STAGES[0].service_account_key
        assert roots.encryption_key == STAGES[0].encryption_key


@pytest.mark.parametrize("roots", STAGES, ids=lambda roots: roots.stage or "settled")
def test_every_stage_comes_back_from_its_mapping(roots: Roots) -> None:
    """What is kept says all of it."""
    assert Roots.from_mapping(roots.to_mapping()) == roots


def test_what_was_kept_before_there_were_stages_is_settled() -> None:
    """The names and values are those of old."""
    kept = STAGES[0].to_mapping()
    kinds = ("kubernetes", "etcd", "front-proxy")
    files = {f"{kind}-ca.{end}" for kind in kinds for end in ("crt", "key")}
    assert kept.keys() == {*files, "service-account.key", "encryption.key"}
    assert Roots.from_mapping(kept).stage is Stage.SETTLED


def test_a_stage_that_is_none_is_refused() -> None:
    """Somebody has written into what is kept."""
    with pytest.raises(ValueError, match="burn"):
        Roots.from_mapping({**STAGES[1].to_mapping(), "stage": Secret("burn")})


def test_successors_have_names_of_their_own() -> None:
    """Counted, so that people can tell them apart; and each lives as long as is said."""
    now = datetime(2027, 1, 1, tzinfo=UTC)
    roots = STAGES[0]
    for _ in range(2 * len(Stage)):
        roots = rotation.advanced(roots, days=30, now=now)
    assert pki.common_name(_of(roots).cert_pem) == "harbor kubernetes 3"
    assert pki.ends(_of(roots).cert_pem) == now + timedelta(days=30)


@pytest.mark.parametrize("step", list(pairwise(STAGES)), ids=lambda step: step[1].stage or "settled")
def test_the_platforms_secrets_go_one_stage_and_stay_there(step: tuple[Roots, Roots]) -> None:
    """The same inputs again change nothing; the SSH key stays; a stage that does not follow is refused."""
    before, after = step
    ssh = {"ssh.key": "k", "ssh.pub": "p"}
    values = {**{name: value.reveal() for name, value in before.to_mapping().items()}, **ssh}
    resource, inputs = PlatformSecrets(), {"platform": "harbor", "stage": str(after.stage)}
    once = resource.update("id", {"values": values}, inputs)
    assert Roots.from_mapping({n: Secret(v) for n, v in once.outputs["values"].items()}).stage is after.stage
    assert once.outputs["values"].items() >= ssh.items()
    assert resource.update("id", once.outputs, inputs) == once
    with pytest.raises(InfrastructureError, match="do not go to"):
        resource.update("id", {"values": values}, {"platform": "harbor", "stage": rotation.after(after.stage)})


# --- by real TLS ------------------------------------------------------------------------------------------------------


def _context(purpose: ssl.Purpose, trusted: str, own: Credential, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cadata=trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    (folder / "own.pem").write_text(own.cert_pem + own.key_pem.reveal())
    context.load_cert_chain(folder / "own.pem")
    return context


def _speak(server: ssl.SSLContext, client: ssl.SSLContext) -> bool:
    """Whether both accept each other's certificates."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as raw:
                try:
                    server.wrap_socket(raw, server_side=True).sendall(b"well")
                except ssl.SSLError:
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname()) as raw:
                return client.wrap_socket(raw, server_hostname="127.0.0.1").recv(4) == b"well"
        except (ssl.SSLError, ConnectionError):
            return False
        finally:
            thread.join()


def _meet(server: Roots, client: Roots, folder: Path) -> bool:
    """Whether two that are in different stages, each with a certificate of its stage, speak to each other."""
    ends = (
        _context(ssl.Purpose.CLIENT_AUTH, _of(server).trusted, _of(server).issue(SERVER), folder),
        _context(ssl.Purpose.SERVER_AUTH, _of(client).trusted, _of(client).issue(CLIENT), folder),
    )
    return _speak(*ends)


@pytest.mark.parametrize("step", list(pairwise(STAGES)), ids=lambda step: step[1].stage or "settled")
def test_one_stage_apart_all_speak_to_each_other(step: tuple[Roots, Roots], tmp_path: Path) -> None:
    """Whoever is behind by one is no stranger, as a server and as a client."""
    before, after = step
    assert _meet(before, after, tmp_path)
    assert _meet(after, before, tmp_path)


@pytest.mark.parametrize(("server", "client"), [(0, 2), (1, 3), (0, 3)])
def test_two_stages_apart_they_do_not(server: int, client: int, tmp_path: Path) -> None:
    """So each stage waits for all; and in the end, whoever has a certificate of the old authority is refused."""
    assert not _meet(STAGES[server], STAGES[client], tmp_path)


def test_authorities_of_one_name_are_told_by_their_keys(tmp_path: Path) -> None:
    """Should somebody have made two of one name: the certificate says which key signed it."""
    first, second = pki.new_ca("same"), pki.new_ca("same")
    for one, other in ((first, second), (second, first)):
        both = replace(one, beside=other.cert_pem)
        server = _context(ssl.Purpose.CLIENT_AUTH, both.trusted, both.issue(SERVER), tmp_path)
        client = _context(ssl.Purpose.SERVER_AUTH, both.trusted, other.issue(CLIENT), tmp_path)
        assert _speak(server, client)


# --- what starts anew on a host --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", list(pairwise(STAGES)), ids=lambda step: step[1].stage or "settled")
@pytest.mark.parametrize("role", ["manager", "worker"])
def test_whoever_reads_authorities_at_start_starts_anew_in_each_stage(step: tuple[Roots, Roots], role: str) -> None:
    """By that it has its new certificate, too; containers and the way to the API servers stay as they are."""
    before, after = (host.render(_host(role), _PLAN, roots) for roots in step)
    restarted = {
        process.name
        for process in before.processes
        if any(before.files[path] != after.files[path] for path in process.reads)
    }
    on_all = {"kubelet", "kube-proxy", "flanneld"}
    on_managers = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    if step[1].stage is Stage.SETTLED:
        assert not restarted
    else:
        assert restarted == on_all | (on_managers if role == "manager" else set())


def test_certificates_are_issued_anew_in_one_stage_alone() -> None:
    """Those on hosts stay in the others, as they fit the authority that issues."""
    seen: dict[str, str] = {}
    issued = []
    for roots in STAGES:
        requests = host.render(_host("manager"), _PLAN, roots).certificates
        found = issue.issue(requests, roots.authorities, seen)
        issued.append(len(found.new) / len(requests))
        seen |= {stem: credential.cert_pem for stem, credential in found.new.items()}
    assert issued == [1, 0, 1, 0, 0]


_PLAN = host.ManagerPlan(
    platform="harbor",
    kubernetes_version="1.37.2",
    pods=IPv4Network("10.128.0.0/14"),
    services=IPv4Network("10.127.0.0/16"),
    domain="manager.local",
    node_ports=(30000, 32767),
    managers={"a": "192.0.2.1"},
    images={name: f"moorage.local/{name}:1" for name in ("pause", "node", "controller")},
    workers=1,
)


def _host(role: str) -> host.ManagerHost:
    return host.ManagerHost(name="a", address="192.0.2.1", role=role, region="r", zone="z", traits=node.Traits())
