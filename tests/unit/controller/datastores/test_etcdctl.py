"""What etcdctl 3.7 prints is read; what it refuses is an error with etcd's own reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.controller.datastores import etcdctl
from installer.controller.datastores.etcdctl import Etcdctl, EtcdError, Member, Status, plain
from installer.kubernetes import pki

_MEMBERS = """{"header":{"cluster_id":1,"member_id":2,"raft_term":2},"members":[
{"ID":17221338068156643453,"name":"a-0","peerURLs":["https://10.0.0.1:2380"],"clientURLs":["https://10.0.0.1:2379"]},
{"ID":255,"peerURLs":["https://10.0.0.2:2380"],"isLearner":true}]}"""
_STATUS = """[{"Endpoint":"https://10.0.0.1:2379","Status":{"header":{"cluster_id":1,"member_id":17221338068156643453,
"revision":7,"raft_term":2},"version":"3.7.3","dbSize":24576,"leader":17221338068156643453,"raftIndex":9,"raftTerm":2,
"raftAppliedIndex":8,"dbSizeInUse":16384,"errors":["memberID:2 alarm:NOSPACE "]}}]"""


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Etcdctl:
    """An etcdctl whose program prints the files `out` and `err`, ends with `status`, and notes its words in `words`."""
    program = tmp_path / "etcdctl"
    script = (
        "#!/bin/sh",
        f"cd {tmp_path}",
        'echo "$*" >>words',
        "cat out",
        "[ ! -e err ] || cat err >&2",
        "exit $(cat status)",
    )
    program.write_text("\n".join(script))
    program.chmod(0o755)
    (tmp_path / "status").write_text("0")
    monkeypatch.setattr(etcdctl, "_PROGRAM", str(program))
    return Etcdctl(["10.0.0.1", "10.0.0.2"], pki.new_ca("a"), tmp_path / "certificates")


def test_members(answering: Etcdctl, tmp_path: Path) -> None:
    """Ids are hex, as etcdctl takes them; one that never started has no name."""
    (tmp_path / "out").write_text(_MEMBERS)
    assert answering.members() == (
        Member(id="eefe7bbafd63787d", name="a-0", address="10.0.0.1", learner=False),
        Member(id="ff", name="", address="10.0.0.2", learner=True),
    )


def test_statuses_of_those_that_answer(answering: Etcdctl, tmp_path: Path) -> None:
    """One that does not answer makes etcdctl fail, yet it prints the others."""
    (tmp_path / "out").write_text(_STATUS)
    (tmp_path / "status").write_text("1")
    member = "eefe7bbafd63787d"
    assert answering.statuses(["10.0.0.1", "10.0.0.2"]) == {
        "10.0.0.1": Status(id=member, leader=member, revision=7, index=8, size=24576, in_use=16384, troubled=True)
    }
    assert "--endpoints=https://10.0.0.1:2379,https://10.0.0.2:2379" in (tmp_path / "words").read_text()


def test_nobody_is_asked_when_nobody_listens(answering: Etcdctl, tmp_path: Path) -> None:
    """That would only take time."""
    assert answering.statuses([]) == {}
    assert not (tmp_path / "words").exists()


@pytest.mark.parametrize(
    ("out", "alarms"),
    [
        ('{"header":{}}', ()),
        ('{"alarms":[{"memberID":1,"alarm":1},{"memberID":2,"alarm":1}]}', ("NOSPACE",)),
        ('{"alarms":[{"memberID":1,"alarm":2}]}', ("CORRUPT",)),
    ],
)
def test_alarms(answering: Etcdctl, tmp_path: Path, out: str, alarms: tuple[str, ...]) -> None:
    """Each kind once, whoever raised it."""
    (tmp_path / "out").write_text(out)
    assert answering.alarms() == alarms


@pytest.mark.parametrize("enabled", [True, False])
def test_whether_it_is_guarded(answering: Etcdctl, tmp_path: Path, enabled: bool) -> None:
    """What is false is left out of etcd's answers."""
    (tmp_path / "out").write_text('{"header":{},"enabled":true}' if enabled else '{"header":{}}')
    assert answering.guarded() is enabled


def test_what_was_done_before_is_fine(answering: Etcdctl, tmp_path: Path) -> None:
    """All commands run, since each may have been the last of an earlier try."""
    (tmp_path / "out").touch()
    (tmp_path / "err").write_text("Error: etcdserver: role name already exists\n")
    (tmp_path / "status").write_text("1")
    answering.run_all([("role", "add", "x"), ("user", "add", "x", "--no-password")])
    assert len((tmp_path / "words").read_text().splitlines()) == 2


def test_a_refusal_tells_etcds_reason(answering: Etcdctl, tmp_path: Path) -> None:
    """And ends the commands."""
    (tmp_path / "out").touch()
    (tmp_path / "err").write_text("Error: etcdserver: unhealthy cluster\n")
    (tmp_path / "status").write_text("1")
    with pytest.raises(EtcdError) as caught:
        answering.run_all([("member", "remove", "ff"), ("member", "list")])
    assert "etcdctl member remove failed" in str(caught.value)
    assert caught.value.last_lines == ("Error: etcdserver: unhealthy cluster",)
    assert len((tmp_path / "words").read_text().splitlines()) == 1


def test_the_key_of_root_is_for_its_owner_alone(answering: Etcdctl, tmp_path: Path) -> None:
    """It opens everything in the datastore."""
    assert (tmp_path / "certificates" / "client.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"level":"fatal","msg":"discovery failed","error":"member 36 has already been bootstrapped"}',
         "member 36 has already been bootstrapped"),
        ('{"level":"error","msg":"server is stopping"}', "server is stopping"),
        ("exec /opt/moorage/current/bin/etcd: no such file", "exec /opt/moorage/current/bin/etcd: no such file"),
    ],
)  # fmt: skip
def test_the_reason_in_a_line_of_etcds_log(line: str, reason: str) -> None:
    """Without what only engineers of etcd want."""
    assert plain(line) == reason


def test_another_one_is_made_before_its_certificate_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates may live for a day, and controllers for months."""
    authority = pki.new_ca("a")
    assert not Etcdctl(["10.0.0.1"], authority, tmp_path).due
    monkeypatch.setattr(pki, "renewal_time", pki.begins)
    assert Etcdctl(["10.0.0.1"], authority, tmp_path).due
