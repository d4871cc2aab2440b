"""Transport against a real SSH server."""

from __future__ import annotations

import base64
import getpass
import hashlib
import io
import logging
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from installer.core.secret import Secret
from installer.spec.contract import BastionOutput, JumpOutput
from installer.transport import host_keys
from installer.transport.connection import EVENT_MARK, Connection, connect, dial, scan_host_key
from installer.transport.errors import (
    ConnectionLostError,
    HostKeyChangedError,
    HostKeyUnknownError,
    LoginRefusedError,
    NoSudoError,
    PayloadError,
    ScriptError,
    ScriptTimeoutError,
    UnreachableError,
)
from installer.transport.fleet import Fleet, fan_out
from installer.transport.proxy import Proxy
from installer.transport.target import Target, through
from tests.contract.ssh_server import SSHD, SshServer, new_key
from tests.fakes.proxies import FakeProxy, proxied

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


def test_a_server_that_says_nothing_is_given_up(server: SshServer) -> None:
    """Whatever listens there accepts and keeps still, as a host does that is short of memory."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"),
    ):
        dial(server.target(port=silent.getsockname()[1]), timeout_s=0.2)


def test_what_is_no_ssh_server_is_told_without_a_traceback(server: SshServer, caplog: pytest.LogCaptureFixture) -> None:
    """The error says it all; the library's own log stays out of users' sight."""

    def answer(listener: socket.socket) -> None:
        stream, _ = listener.accept()
        with stream:
            stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as other, caplog.at_level(logging.INFO):
        thread = threading.Thread(target=answer, args=(other,))
        thread.start()
        with pytest.raises(UnreachableError, match="no SSH session with") as caught:
            dial(server.target(port=other.getsockname()[1]))
        thread.join()
    assert "something else listens there" in caught.value.cause
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_login_that_takes_more_than_a_key_is_refused(tmp_path: Path) -> None:
    """Half a login is none; the error names what the server still wants."""
    strict = SshServer(
        tmp_path / "strict", more="AuthenticationMethods publickey,password\nPasswordAuthentication yes\n"
    )
    strict.start()
    try:
        with pytest.raises(LoginRefusedError, match=r"wants more than the given key.*password"):
            dial(strict.target())
    finally:
        strict.stop()


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


def test_through_several_bastions_and_a_proxy(server: SshServer, tmp_path: Path) -> None:
    """Each by way of the one before; every key is verified, and an error names the one that it is of."""
    inner, behind = SshServer(tmp_path / "inner"), SshServer(tmp_path / "behind")
    inner.start()
    behind.start()

    def way(outer_key: str) -> Target | None:
        outer = JumpOutput(address="outer.test", port=server.port, user=getpass.getuser(), host_key=outer_key)
        last = {"address": "127.0.0.1", "port": inner.port, "user": getpass.getuser(), "host_key": inner.host_key}
        first = Proxy.parse(Secret(proxy.url))
        return through(BastionOutput(**last, through=(outer,)), of="one", key=Secret(server.key), proxy=first)

    key = (server.folder / "authorized_keys").read_text()
    (inner.folder / "authorized_keys").write_text(key)
    try:
        with proxied(FakeProxy("socks5", names={"outer.test": "127.0.0.1"})) as proxy:
            with connect(behind.target(bastion=way(server.host_key))) as found:
                assert found.run('echo "$SSH_CONNECTION"').tail[0].split()[-1] == str(behind.port)
                assert server.serving
                assert inner.serving
            assert proxy.asked == [f"outer.test:{server.port}"]
            with pytest.raises(HostKeyChangedError) as caught:
                dial(behind.target(bastion=way(new_key()[1])))
        assert caught.value.host == "bastion outer.test of one"
    finally:
        inner.stop()
        behind.stop()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("login", ["", "ops:se cret"])
def test_through_a_proxy(server: SshServer, scheme: str, login: str) -> None:
    """Of either kind, with a login or without; large answers come whole."""
    with proxied(FakeProxy(scheme, login=login)) as proxy:
        url = Secret(proxy.url.replace(" ", "%20"))
        with connect(server.target(proxy=Proxy.parse(url))) as found:
            lines: list[str] = []
            found.run("head -c 3000000 /dev/zero | base64", on_line=lines.append)
            assert sum(map(len, lines)) == 4_000_000
        assert proxy.asked == [f"127.0.0.1:{server.port}"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize(
    ("fake", "url", "seen"),
    [
        ({"refuses": True}, "{0}://127.0.0.1:{1}", {"http": "403 Forbidden", "socks5": "its rules do not allow it"}),
        ({"login": "ops:right"}, "{0}://127.0.0.1:{1}", {"http": "answers 407", "socks5": "refuses the login"}),
        (
            {"login": "ops:right"},
            "{0}://ops:wrong@127.0.0.1:{1}",
            {"http": "answers 407", "socks5": "refuses the login"},
        ),
        ({}, "{0}://127.0.0.1:1", {"http": "cannot reach the proxy", "socks5": "cannot reach the proxy"}),
    ],
    ids=["it refuses", "it wants a login", "the login is wrong", "it is not there"],
)
def test_a_proxy_that_does_not_take_it_on(
    server: SshServer, scheme: str, fake: dict[str, Any], url: str, seen: dict[str, str]
) -> None:
    """The error names the host, the proxy and its reason, and no password."""
    with proxied(FakeProxy(scheme, **fake)) as proxy:
        target = server.target(proxy=Proxy.parse(Secret(url.format(scheme, proxy.port))))
        with pytest.raises(UnreachableError, match=seen[scheme]) as caught:
            dial(target)
    assert caught.value.host == "one"
    assert f"{scheme}://127.0.0.1" in str(caught.value)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-none\r\n\r\n", b"\x04" * 20000])
def test_what_is_no_proxy_is_told(server: SshServer, scheme: str, answer: bytes) -> None:
    """It ends at once, says something else, or talks without an end."""

    def talk(listener: socket.socket) -> None:
        stream, _ = listener.accept()
        with stream:
            stream.recv(1)
            stream.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=talk, args=(other,))
        thread.start()
        proxy = Proxy.parse(Secret(f"{scheme}://127.0.0.1:{other.getsockname()[1]}"))
        with pytest.raises(UnreachableError, match="through the proxy"):
            dial(server.target(proxy=proxy))
        thread.join()


def test_the_way_through_a_bastion_ends_with_the_connection(tmp_path: Path) -> None:
    """Also when the host behind it refuses: nobody counts logins there for nothing."""
    bastion, behind = SshServer(tmp_path / "bastion"), SshServer(tmp_path / "behind")
    bastion.start()
    behind.start()
    try:
        way = bastion.target(name="bastion")
        with connect(behind.target(bastion=way)) as found:
            assert found.alive
            assert bastion.serving
        with pytest.raises(HostKeyChangedError):
            dial(behind.target(bastion=way, host_key=new_key()[1]))
        with pytest.raises(UnreachableError, match="through it"):
            dial(behind.target(bastion=way, port=1))
        bastion.await_idle()
    finally:
        behind.stop()
        bastion.stop()


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


def test_a_script_that_closed_its_output_is_given_up_too(connection: Connection) -> None:
    """The time limit is for the script, not for what it says."""
    with pytest.raises(ScriptTimeoutError):
        connection.run("exec >/dev/null 2>&1; exec sleep 60", timeout_s=0.5)


def test_the_status_of_a_script_that_closed_its_output_still_comes(connection: Connection) -> None:
    """It is waited for."""
    assert connection.run("exec >/dev/null 2>&1; sleep 0.2; exit 5", check=False).status == 5


def test_a_script_that_is_killed_is_told_apart_from_a_lost_connection(connection: Connection) -> None:
    """Repeating it at once would meet the same lack of memory."""
    with pytest.raises(ScriptError, match="was killed") as caught:
        connection.run("echo working; kill -9 $$")
    assert caught.value.last_lines == ("working",)
    assert connection.run("echo on").tail == ("on",)


def test_a_script_may_end_without_reading_its_payload(connection: Connection) -> None:
    """Its status says whether that was right."""
    assert connection.run("echo enough", payload=bytes(40_000_000)).tail == ("enough",)


def test_a_payload_that_cannot_be_read_ends_the_script(connection: Connection, tmp_path: Path) -> None:
    """The error is about this machine's file; the host keeps nothing of the half that came."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(size)

    target = tmp_path / "file"
    content = bytes(1_000_000)
    with pytest.raises(PayloadError, match="Input/output error"):
        connection.put(Broken(content), str(target), sha256=hashlib.sha256(content).hexdigest())
    assert not target.exists()


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


# --- root ---


class Sudoer(Target):
    """A user who is not root, as far as the transport can tell."""

    @property
    def sudo(self) -> bool:
        return True


@pytest.fixture(scope="module")
def sudoers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A server on which `sudo` is a stand-in: the program itself may not be on the machine that runs the tests.

    It knows the options that the transport uses, reads a password byte by byte and refuses in sudo's own words. What
    it asks for stands in a file beside it.
    """
    folder = tmp_path_factory.mktemp("sudoers")
    (folder / "sudo").write_text(SUDO.replace("FOLDER", str(folder)))
    (folder / "sudo").chmod(0o755)
    found = SshServer(folder / "sshd", more=f"SetEnv PATH={folder}:/usr/bin:/bin\n")
    found.start()
    try:
        yield found
    finally:
        found.stop()


SUDO = r"""#!/bin/sh
if [ "$1" = -n ]; then can_ask=no; shift
elif [ "$1 $2 $3" = "-S -p " ]; then can_ask=yes; shift 3
else echo "usage: sudo" >&2; exit 1; fi
[ "$1" = -- ] || { echo "usage: sudo" >&2; exit 1; }
shift
wanted=$(cat FOLDER/password)
echo "sudo: unable to resolve host one: Name or service not known" >&2
if [ -n "$wanted" ]; then
  [ $can_ask = yes ] || { echo "sudo: a password is required" >&2; exit 1; }
  tries=0
  until read -r given && [ "$given" = "$wanted" ]; do
    tries=$((tries + 1))
    [ $tries -lt 3 ] || { echo "sudo: 3 incorrect password attempts" >&2; exit 1; }
    echo "Sorry, try again." >&2
  done
fi
AS_ROOT=yes exec "$@"
"""


def sudoer(server: SshServer, password: str | None) -> Target:
    plain = server.target(user=server.target().user)
    return replace(Sudoer(**vars(plain)), sudo_password=None if password is None else Secret(password))


@pytest.mark.parametrize(
    ("asks", "gives"),
    [
        ("", None),
        ("it's $secret", "it's $secret"),
        ("", "not asked for"),  # NOPASSWD, or a ticket from before: sudo leaves the password where it is
    ],
)
def test_scripts_of_others_run_as_root_by_sudo(sudoers: SshServer, asks: str, gives: str | None) -> None:
    """With its payload untouched, whether a password is asked for or not."""
    (sudoers.folder.parent / "password").write_text(asks)
    with connect(sudoer(sudoers, gives)) as found:
        said = found.run('echo "root: ${AS_ROOT:-no}"; cat', payload=b"first\nmoorage-start\nlast").tail
        assert said[-4:] == ("root: yes", "first", "moorage-start", "last")
        assert found.run('tr "\\0" " " </proc/$$/cmdline').tail[-1].count("secret") == 0


@pytest.mark.parametrize("gives", [None, "wrong"])
def test_who_cannot_become_root_is_told_how_to(sudoers: SshServer, gives: str | None) -> None:
    """The password is in none of the words."""
    (sudoers.folder.parent / "password").write_text("right")
    with connect(sudoer(sudoers, gives)) as found, pytest.raises(NoSudoError, match="cannot become root") as caught:
        found.run("echo never")
    assert "NOPASSWD" in caught.value.hint
    assert "wrong" not in caught.value.explain()


def test_a_warning_of_sudo_is_not_taken_for_a_refusal(sudoers: SshServer) -> None:
    """A host that cannot resolve its own name has scripts that fail for other reasons."""
    (sudoers.folder.parent / "password").write_text("")
    with connect(sudoer(sudoers, None)) as found, pytest.raises(ScriptError) as caught:
        found.run("echo 'tar: No space left on device' >&2; exit 2")
    assert caught.value.cause == "the disk is full"


# --- files ----------------------------------------------------------------------------------------------------------


def test_an_upload_arrives_whole_with_its_mode(connection: Connection, tmp_path: Path) -> None:
    """Directories are made; the file is there at once or not at all."""
    content = bytes(range(256)) * 5000
    target = tmp_path / "deep" / "it's here"
    connection.put(io.BytesIO(content), str(target), sha256=hashlib.sha256(content).hexdigest(), mode=0o750)
    assert target.read_bytes() == content
    assert target.stat().st_mode & 0o777 == 0o750


def test_an_upload_replaces_a_file_at_once_and_nobody_reads_half_of_it(connection: Connection, tmp_path: Path) -> None:
    """Whoever has the old file open keeps it; a secret is never readable by others, not even for a moment."""
    target = tmp_path / "secret"
    target.write_text("old")
    with target.open() as before:
        connection.put_bytes(b"new", str(target), mode=0o600)
        assert before.read() == "old"
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_damaged_upload_changes_nothing(connection: Connection, tmp_path: Path) -> None:
    """What was there stays, and no part of the new one is left."""
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ScriptError) as caught:
        connection.put(b"new", str(target), sha256="0" * 64)
    assert "arrived damaged" in caught.value.last_lines[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_a_forward_leads_through_a_host(server: SshServer) -> None:
    """As often as it is asked for; where nobody listens behind the host, the connection is closed again."""
    fleet = Fleet()
    try:
        port = fleet.forward(server.target(), "127.0.0.1", server.port)
        assert fleet.forward(server.target(), "127.0.0.1", server.port) == port
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
                assert stream.recv(4) == b"SSH-"
        closed = fleet.forward(server.target(), "127.0.0.1", 1)
        with socket.create_connection(("127.0.0.1", closed), timeout=10) as stream:
            assert stream.recv(4) == b""
    finally:
        fleet.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


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
