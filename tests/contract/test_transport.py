"""Transport against a real SSH server."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from installer.core.secret import Secret
from installer.transport import host_keys
from installer.transport.connection import EVENT_MARK, Connection, connect, dial, scan_host_key
from installer.transport.errors import (
    ConnectionLostError,
    HostKeyChangedError,
    HostKeyUnknownError,
    LoginRefusedError,
    ScriptError,
    ScriptTimeoutError,
    UnreachableError,
)
from installer.transport.fleet import Fleet, fan_out
from tests.contract.ssh_server import SSHD, SshServer, new_key

pytestmark = pytest.mark.skipif(SSHD is None, reason="needs openssh-server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    found = SshServer(tmp_path_factory.mktemp("sshd"))
    found.start()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def connection(server: SshServer) -> Iterator[Connection]:
    with connect(server.target()) as found:
        yield found


# --- whom we talk to ------------------------------------------------------------------------------------------------


def test_the_pinned_key_is_accepted_in_either_form(server: SshServer) -> None:
    """The whole key, with or without a comment, or its fingerprint."""
    kind, body = server.host_key.split()
    key = paramiko.Ed25519Key(data=base64.b64decode(body))
    for pinned in (server.host_key, f"{kind} {body} somebody@somewhere", host_keys.fingerprint(key)):
        with connect(server.target(host_key=pinned)) as found:
            assert found.alive


def test_an_unknown_key_is_shown_and_not_accepted(server: SshServer) -> None:
    """The error holds the fingerprint and the line for the specification."""
    with pytest.raises(HostKeyUnknownError) as caught:
        dial(server.target(host_key=None))
    assert "SHA256:" in caught.value.what
    assert "hostKey: SHA256:" in caught.value.hint


def test_a_changed_key_is_refused(server: SshServer) -> None:
    """Whether the whole key or a fingerprint was pinned; it is never tried again."""
    for pinned in (new_key()[1], "SHA256:" + "A" * 43):
        with pytest.raises(HostKeyChangedError, match="not the pinned one"):
            dial(server.target(host_key=pinned))


def test_the_key_is_scanned_without_a_login(server: SshServer) -> None:
    """For the first contact."""
    assert scan_host_key(server.target(host_key=None, key=None)) == server.host_key


def test_a_wrong_login_key_is_refused(server: SshServer) -> None:
    """The error names the user and where the key belongs."""
    with pytest.raises(LoginRefusedError, match="refused the login"):
        dial(server.target(key=Secret(new_key()[0])))


def test_a_key_that_cannot_be_read_is_told_apart(server: SshServer) -> None:
    """Nobody looks for a missing authorized_keys because of a passphrase."""
    with pytest.raises(LoginRefusedError, match="cannot be read"):
        dial(server.target(key=Secret("no key")))


def test_a_host_without_a_server_is_unreachable(server: SshServer) -> None:
    """The error says where, and how to look for oneself."""
    with pytest.raises(UnreachableError, match=r"cannot reach 127\.0\.0\.1:1") as caught:
        dial(server.target(port=1))
    assert "ssh -v" in caught.value.hint


def test_through_a_bastion(server: SshServer, tmp_path: Path) -> None:
    """Both host keys are checked; commands run behind it."""
    behind = SshServer(tmp_path / "behind")
    behind.start()
    try:
        bastion = server.target(name="bastion")
        with connect(behind.target(bastion=bastion)) as found:
            assert found.run('echo "$SSH_CONNECTION"').tail[0].split()[-1] == str(behind.port)
        with pytest.raises(HostKeyChangedError, match="bastion"):
            dial(behind.target(bastion=server.target(name="bastion", host_key=new_key()[1])))
    finally:
        behind.stop()


# --- scripts --------------------------------------------------------------------------------------------------------


def test_a_script_gets_its_payload_and_gives_its_lines(connection: Connection) -> None:
    """The script itself is not part of the payload, whatever is in it."""
    script = 'first=$(head -c 3)\necho "got $first, \'$(wc -c)\' more"\n# ü, "quotes", $dollars\n'
    assert connection.run(script, payload=b"abc" + b"x" * 100_000).tail == ("got abc, '100000' more",)


def test_events_are_streamed_apart_from_the_log(connection: Connection) -> None:
    """In their order, while the script runs."""
    events, lines = [], []
    script = f"""echo starting
printf '{EVENT_MARK}{{"step": "one", "n": 1}}\\n'
echo between
printf '{EVENT_MARK}{{"step": "two"}}\\n'
printf '{EVENT_MARK}no json\\n'
"""
    connection.run(script, on_event=events.append, on_line=lines.append)
    assert events == [{"step": "one", "n": 1}, {"step": "two"}]
    assert lines == ["starting", "between", f"{EVENT_MARK}no json"]


def test_a_failure_names_host_step_status_and_last_lines(connection: Connection) -> None:
    """The step is the last that the script announced."""
    script = f"""printf '{EVENT_MARK}{{"step": "unpack"}}\\n'
seq 1 50
echo "tar: No space left on device" >&2
exit 3"""
    with pytest.raises(ScriptError) as caught:
        connection.run(script, step="install")
    error = caught.value
    assert (error.host, error.step, error.status) == ("one", "unpack", 3)
    assert error.last_lines[-1] == "tar: No space left on device"
    assert error.cause == "the disk is full"


def test_a_status_can_be_an_answer(connection: Connection) -> None:
    """Without `check` nothing is raised."""
    assert connection.run("exit 7", check=False).status == 7


def test_a_script_that_does_not_end_is_given_up(connection: Connection) -> None:
    """With what it said so far; the connection goes on to serve."""
    with pytest.raises(ScriptTimeoutError, match="2 s") as caught:
        connection.run("echo waiting; exec sleep 60", timeout_s=2)
    assert caught.value.last_lines == ("waiting",)
    assert connection.run("echo on").tail == ("on",)


def test_much_output_and_much_input_do_not_block_each_other(connection: Connection) -> None:
    """A script may write before it reads."""
    seen = []
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; wc -c"
    result = connection.run(script, payload=bytes(5_000_000), on_line=seen.append)
    assert len(seen) == 20_001
    assert result.tail[-1] == "5000000"


def test_scripts_run_side_by_side_on_one_connection(connection: Connection) -> None:
    """Each waits for the other: one after the other they would never end."""
    done = []
    fifo = f"/tmp/moorage-test-{id(connection)}"
    connection.run(f"mkfifo {fifo}")
    try:
        reader = threading.Thread(target=lambda: done.extend(connection.run(f"cat {fifo}", timeout_s=20).tail))
        reader.start()
        connection.run(f"echo hello >{fifo}", timeout_s=20)
        reader.join()
    finally:
        connection.run(f"rm {fifo}")
    assert done == ["hello"]


def test_nothing_of_a_script_shows_in_the_process_list(connection: Connection) -> None:
    """Scripts may hold secrets."""
    script = "secret=hunter2; tr '\\0' ' ' </proc/$$/cmdline"
    assert "hunter2" not in "".join(connection.run(script).tail)


def test_a_connection_that_breaks_is_told_as_such(tmp_path: Path) -> None:
    """The server dies in the middle; a fleet dials anew."""
    server = SshServer(tmp_path / "dying")
    server.start()
    fleet = Fleet()
    try:
        target = server.target()
        started = threading.Event()
        killer = threading.Thread(target=lambda: (started.wait(10), server.stop()))
        killer.start()
        with pytest.raises(ConnectionLostError, match="connection was lost"):
            fleet.connection(target).run("echo up; sleep 60", on_line=lambda _: started.set())
        killer.join()
        server.start()
        assert fleet.connection(target).run("echo again").tail == ("again",)
    finally:
        fleet.close()
        server.stop()


# --- files ----------------------------------------------------------------------------------------------------------


def test_an_upload_arrives_whole_with_its_mode(connection: Connection, tmp_path: Path) -> None:
    """Directories are made; the file is there at once or not at all."""
    content = bytes(range(256)) * 5000
    target = tmp_path / "deep" / "it's here"
    connection.put(io.BytesIO(content), str(target), sha256=hashlib.sha256(content).hexdigest(), mode=0o750)
    assert target.read_bytes() == content
    assert target.stat().st_mode & 0o777 == 0o750


def test_a_damaged_upload_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    """What was there stays, and no part of the new one is left."""
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ScriptError) as caught:
        connection.put(b"new", str(target), sha256="0" * 64)
    assert "arrived damaged" in caught.value.last_lines[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_a_tunnel_reaches_what_the_host_reaches(server: SshServer, connection: Connection) -> None:
    """And says so when it does not."""
    with connection.open_tunnel("127.0.0.1", server.port) as stream:
        assert stream.recv(4) == b"SSH-"
    with pytest.raises(UnreachableError, match="through it"):
        connection.open_tunnel("127.0.0.1", 1)


# --- many -----------------------------------------------------------------------------------------------------------


def test_fan_out_gives_each_its_result_or_its_error(server: SshServer) -> None:
    """One bad host does not hold the others up."""
    targets = {"good": server.target(), "bad": server.target(port=1)}
    found = fan_out(list(targets), lambda name: dial(targets[name]))
    assert isinstance(found["bad"], UnreachableError)
    assert isinstance(found["good"], Connection)
    found["good"].close()
