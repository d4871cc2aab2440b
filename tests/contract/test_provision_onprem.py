"""Hosts that exist already: trusted by their key alone, recorded, cleaned of what Moorage installed and no more."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from installer.core import cache, layout
from installer.core.secret import Secret
from installer.hostops import apply, diff, facts
from installer.hostops.state import Directory, File, HostState, Link, Unit
from installer.provision.local import machine, network, rootfs
from installer.provision.provider.onprem import OnPremHost
from installer.provision.provider.resource import GONE
from installer.provision.provider.secrets import new_ssh_key
from installer.transport.connection import Connection, connect
from installer.transport.errors import (
    HostKeyChangedError,
    HostKeyUnknownError,
    LoginRefusedError,
    NoSudoError,
    UnreachableError,
)
from installer.transport.target import Target
from tests.e2e.platform_under_test import podman

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.getuid() != 0 or shutil.which("podman") is None, reason="local hosts need root and podman"),
]
_NETWORK = "t-prov-onprem"
_KEY, _PUBLIC = new_ssh_key()
_OTHER_KEY, _ = new_ssh_key()


@dataclass(frozen=True)
class Existing:
    """A machine that nobody told Moorage about."""

    name: str
    address: str
    host_key: str

    @property
    def container(self) -> str:
        return f"{_NETWORK}-{self.name}"

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.host_key.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def inputs(self, **more: Any) -> dict[str, Any]:
        """As the stack gives them."""
        found = {
            "name": self.name,
            "address": self.address,
            "port": 22,
            "user": "root",
            "hostKey": self.fingerprint,
            "key": _KEY.reveal(),
            **more,
        }
        return {key: value for key, value in found.items() if value is not None}

    def sh(self, script: str) -> str:
        """Run a script on it, past Moorage."""
        return podman("exec", self.container, "sh", "-c", script)

    def connection(self) -> Any:
        return connect(Target(name=self.name, address=self.address, host_key=self.host_key, key=_KEY))


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Existing, Existing]]:
    """Two machines with systemd and sshd, gone in the end."""
    folder = tmp_path_factory.mktemp("existing")
    names = ("north", "south")
    found = []
    try:
        addresses = network.create(_NETWORK, _NETWORK)
        for number, name in enumerate(names, start=10):
            private, public = new_ssh_key()
            existing = Existing(name, str(addresses[number]), public)
            machine.create(
                machine.Machine(
                    container=existing.container,
                    hostname=name,
                    network=_NETWORK,
                    address=existing.address,
                    folder=folder / name,
                    rootfs=rootfs.ensure(cache.root()),
                    routes=(),
                    public_key=_PUBLIC,
                    host_key=private.reveal(),
                )
            )
            found.append(existing)
        yield found[0], found[1]
    finally:
        for name in names:
            machine.delete(f"{_NETWORK}-{name}", folder / name)
        network.delete(_NETWORK)


@pytest.fixture
def north(machines: tuple[Existing, Existing]) -> Existing:
    return machines[0]


def test_an_unknown_host_key_is_shown_and_refused(north: Existing) -> None:
    """With its fingerprint, how to compare it, and the line for the specification."""
    with pytest.raises(HostKeyUnknownError, match="host key is not known yet") as caught:
        OnPremHost().create(north.inputs(hostKey=None))
    assert north.fingerprint in caught.value.what
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in caught.value.hint
    assert f"hostKey: {north.fingerprint}" in caught.value.hint
    assert caught.value.host == "north"


def test_a_host_that_is_known_to_be_gone_is_let_go(north: Existing, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name; nobody else is."""
    made = OnPremHost().create(north.inputs())
    monkeypatch.setenv(GONE, "north,west")
    OnPremHost().delete(made.id, {**made.outputs, "port": 2222})
    with pytest.raises(UnreachableError):
        OnPremHost().delete(made.id, {**made.outputs, "port": 2222, "name": "nor"})


def test_a_fingerprint_is_enough_and_the_whole_key_is_pinned(north: Existing) -> None:
    """What later steps compare with is the key itself."""
    assert OnPremHost().create(north.inputs()).outputs["hostKey"] == north.host_key


def test_a_whole_key_may_be_given_with_its_comment(north: Existing) -> None:
    """As it stands in the host's .pub file."""
    made = OnPremHost().create(north.inputs(hostKey=f"{north.host_key} root@north"))
    assert made.outputs["hostKey"] == north.host_key


def test_the_host_is_recorded_as_it_is(north: Existing) -> None:
    """Machine id, architecture and system are its own; a second look says the same."""
    made = OnPremHost().create(north.inputs())
    assert made.outputs["machineId"] == north.sh("cat /etc/machine-id").strip()
    assert made.outputs["arch"] == {"x86_64": "amd64", "aarch64": "arm64"}[north.sh("uname -m").strip()]
    assert made.outputs["os"].startswith("Debian GNU/Linux 13")
    assert made.id == f"north-{made.outputs['machineId'][:8]}"
    assert OnPremHost().read(made.id, made.outputs) == made
    assert OnPremHost().update(made.id, made.outputs, north.inputs()) == made


def test_nothing_on_the_host_changes_by_looking(north: Existing) -> None:
    """Not a file, before anything is installed."""
    before = _listing(north)
    OnPremHost().create(north.inputs())
    assert _difference(before, _listing(north)) == []


@pytest.mark.parametrize("form", ["fingerprint", "key"])
def test_another_host_key_is_refused(machines: tuple[Existing, Existing], form: str) -> None:
    """Whichever way the pin was given: no login is tried."""
    north, south = machines
    pin = south.fingerprint if form == "fingerprint" else south.host_key
    with pytest.raises(HostKeyChangedError, match=re.escape(f"its host key is {north.fingerprint}")) as caught:
        OnPremHost().create(north.inputs(hostKey=pin))
    assert "replace its hostKey in the specification" in caught.value.hint


def test_a_login_key_that_does_not_fit_is_told(north: Existing) -> None:
    """With the user, and where the public key belongs."""
    with pytest.raises(LoginRefusedError, match="refused the login of root") as caught:
        OnPremHost().create(north.inputs(key=_OTHER_KEY.reveal()))
    assert "authorized_keys" in caught.value.hint
    assert caught.value.host == "north"


def test_a_host_that_does_not_answer_is_named(north: Existing) -> None:
    """With the address and the port that were tried."""
    with pytest.raises(UnreachableError, match=f"cannot reach {north.address}:2222") as caught:
        OnPremHost().create(north.inputs(port=2222))
    assert caught.value.host == "north"


@pytest.fixture
def user(north: Existing) -> Iterator[str]:
    """A user of the host with our key, who may do nothing more; gone afterwards."""
    home = "/home/ops"
    north.sh(
        f"useradd -m -s /bin/sh ops && install -d -m 700 -o ops -g ops {home}/.ssh"
        f" && install -m 600 -o ops -g ops /root/.ssh/authorized_keys {home}/.ssh/authorized_keys"
    )
    yield "ops"
    north.sh("rm -f /etc/sudoers.d/ops; userdel -rf ops 2>/dev/null")


def test_a_user_without_sudo_is_told_what_is_missing(north: Existing, user: str) -> None:
    """With the line for sudoers."""
    with pytest.raises(NoSudoError, match="ops cannot become root") as caught:
        OnPremHost().create(north.inputs(user=user))
    assert "NOPASSWD" in caught.value.hint


def test_a_user_with_sudo_will_do(north: Existing, user: str) -> None:
    """What is recorded is the same as root sees."""
    north.sh("echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops")
    seen = OnPremHost().create(north.inputs(user=user)).outputs
    assert seen["machineId"] == OnPremHost().create(north.inputs()).outputs["machineId"]


def test_a_sudo_password_is_used_where_sudo_asks(north: Existing, user: str) -> None:
    """The right one works, the wrong one is refused."""
    north.sh("echo ops:sesame | chpasswd; echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops")
    assert OnPremHost().create(north.inputs(user=user, sudoPassword="sesame")).outputs["machineId"]
    with pytest.raises(NoSudoError):
        OnPremHost().create(north.inputs(user=user, sudoPassword="barley"))


def test_a_bastion_is_passed_through(machines: tuple[Existing, Existing]) -> None:
    """The host sees the bastion's address, never ours; the bastion's own key is verified, too."""
    north, south = machines
    south.sh("nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }'")
    south.sh(f"nft add rule inet t in tcp dport 22 ip saddr != {north.address} reject")
    bastion = {"address": north.address, "port": 22, "user": "root", "host_key": north.fingerprint}
    try:
        with pytest.raises(UnreachableError):
            OnPremHost().create(south.inputs())
        made = OnPremHost().create(south.inputs(bastion=bastion))
        assert made.outputs["hostKey"] == south.host_key
        OnPremHost().delete(made.id, made.outputs)
        with pytest.raises(HostKeyChangedError, match="host key") as caught:
            OnPremHost().create(south.inputs(bastion={**bastion, "host_key": south.fingerprint}))
        assert caught.value.host == "bastion of south"
    finally:
        south.sh("nft delete table inet t")


# --- changes -------------------------------------------------------------------------------------------------------

_SLOW = """[Service]
ExecStart=/bin/sh -c 'trap "sleep 2; exit" TERM; while :; do sleep 0.1; done'
[Install]
WantedBy=multi-user.target
"""


def test_a_service_that_is_started_again_has_ended_when_the_change_is_done(north: Existing) -> None:
    """However long that takes: whoever asks whether it serves is not answered by the process that ends."""
    made = OnPremHost().create(north.inputs())
    processes = []
    for text in ("one", "two"):
        wanted = HostState(
            files=(File("/etc/systemd/system/moorage-slow.service", _SLOW), File("/etc/moorage/setting", text)),
            units=(Unit("moorage-slow.service", restart_on=("/etc/moorage/setting",)),),
        )
        with north.connection() as connection:
            seen = facts.gather(connection, wanted=wanted)
            apply.apply(connection, wanted, seen, diff.changes(wanted, seen))
        assert all(north.sh(f"test -d /proc/{pid} || echo gone") == "gone\n" for pid in processes)
        processes.append(north.sh("systemctl show --property MainPID --value moorage-slow.service").strip())
    assert processes[0] != processes[1]
    OnPremHost().delete(made.id, made.outputs)


# --- destroy -------------------------------------------------------------------------------------------------------

_UNIT = """[Unit]
Description=Something of ours
[Service]
ExecStart=/opt/moorage/current/bin/sleep 1000000
[Install]
WantedBy=multi-user.target
"""
_WANTED = HostState(
    directories=(Directory("/etc/moorage"), Directory("/etc/moorage/pki", 0o700)),
    files=(
        File("/etc/systemd/system/moorage-one.service", _UNIT),
        File("/etc/moorage/pki/key", Secret("hidden"), 0o600),
        File("/etc/sysctl.d/99-moorage.conf", "net.ipv4.ip_forward = 1\n"),
    ),
    links=(Link(layout.CURRENT, f"{layout.RELEASES}/abc"),),
    units=(Unit("moorage-one.service"),),
)
# What the components that we run leave behind: data, mounts, links, tables, a process that outlives its unit.
_TRACES = f"""set -eu
mkdir -p {layout.RELEASES}/abc/bin {layout.STORE} /var/lib/etcd/member /var/lib/kubelet/pods/p /var/lib/containerd/io
mkdir -p /run/containerd /run/flannel /var/log/moorage {layout.STATE}/x
cp /bin/sleep {layout.RELEASES}/abc/bin/sleep
for file in /var/lib/etcd/member/snap /var/lib/containerd/io/blob /run/flannel/subnet.env /var/log/moorage/log; do
  echo data >$file
done
mount -t tmpfs none /var/lib/kubelet/pods/p
ip link add cni0 type bridge
mkdir -p /run/netns; : >/run/netns/cni-of-a-pod; unshare --net=/run/netns/cni-of-a-pod true
ip link add veth0123 master cni0 type veth peer name eth0 netns cni-of-a-pod
ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0
nft add table ip kube-proxy
nft add table ip6 kube-proxy
nft add table ip flannel-ipv4
nft add table inet cni_hostport
setsid /opt/moorage/releases/abc/bin/sleep 1000000 >/dev/null 2>&1 &
"""
_FOREIGN = """set -eu
mkdir -p /etc/kept /opt/kept /var/lib/kept
echo theirs | tee /etc/kept/file /opt/kept/file /var/lib/kept/file >/dev/null
ip link add kept0 type bridge
nft add table inet kept
"""
_TAKE_FOREIGN = "rm -rf /etc/kept /opt/kept /var/lib/kept; ip link delete kept0; nft delete table inet kept"


def _install(connection: Connection) -> None:
    seen = facts.gather(connection, wanted=_WANTED)
    apply.apply(connection, _WANTED, seen, diff.changes(_WANTED, seen))


def _listing(host: Existing) -> dict[str, str]:
    """Every file, link, directory, network link, nft table and process of the host, except what changes by itself."""
    files = host.sh(
        "find / /var/lib/etcd /var/lib/kubelet /var/lib/containerd /var/lib/moorage /opt/moorage /run -xdev"
        " \\( -path /proc -o -path /sys -o -path /tmp -o -path /var/log -o -path '/run/systemd*' -o -path '/run/user*'"
        " -o -path '/run/log*' -o -path '/run/sudo*' -o -path '/run/lock*' -o -path '/run/motd*'"
        " -o -path '/var/lib/systemd*' \\) -prune"
        " -o -printf '%p %y %m %u %l\\n' | sort -u"
    )
    assert "/etc/passwd " in files
    return {
        "files": files,
        "contents": host.sh("find /etc -xdev -type f -exec sha256sum {} + | sort"),
        "links": host.sh("ls /sys/class/net"),
        "tables": host.sh("nft list tables"),
        "units": host.sh("systemctl list-units --all --plain --no-legend 'moorage*' | cut -d' ' -f1"),
        "ours": host.sh("for p in /proc/[0-9]*; do readlink $p/exe; done | grep /opt/moorage || true"),
    }


def _difference(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Lines that only one of them has."""
    return sorted(line for part in before for line in {*before[part].splitlines()} ^ {*after[part].splitlines()})


def test_destroy_takes_away_all_that_was_installed_and_nothing_else(north: Existing) -> None:
    """Files, units, processes, mounts, links and tables of ours; what others put there stays as it was."""
    north.sh(_FOREIGN)
    before = _listing(north)
    made = OnPremHost().create(north.inputs())
    with north.connection() as connection:
        north.sh(_TRACES)
        _install(connection)
    during = _listing(north)
    assert [part for part in before if during[part] == before[part]] == []
    OnPremHost().delete(made.id, made.outputs)
    assert _difference(before, _listing(north)) == []
    north.sh(_TAKE_FOREIGN)


def test_destroy_of_a_host_that_we_never_touched_leaves_its_kubernetes_alone(north: Existing) -> None:
    """No manifest, no removal: somebody else's etcd and kubelet may be there."""
    made = OnPremHost().create(north.inputs())
    north.sh(
        "mkdir -p /var/lib/etcd/member /var/lib/kubelet/pki; echo data >/var/lib/etcd/member/snap;"
        " ip link add cni0 type bridge"
    )
    before = _listing(north)
    try:
        OnPremHost().delete(made.id, made.outputs)
        assert _difference(before, _listing(north)) == []
    finally:
        north.sh("rm -rf /var/lib/etcd/member /var/lib/kubelet/pki; ip link delete cni0")


def test_destroy_after_a_kill_in_the_middle_of_an_installation(north: Existing) -> None:
    """The manifest is there before the first file: what was begun goes, too. A second time does nothing."""
    before = _listing(north)
    made = OnPremHost().create(north.inputs())
    with north.connection() as connection:
        seen = facts.gather(connection, wanted=_WANTED)
        todo = diff.changes(_WANTED, seen)
        script = apply.compile_script(_WANTED, seen, todo).splitlines()
        half = next(number for number, line in enumerate(script) if "daemon-reload" in line)
        connection.run("\n".join(script[:half]), payload=apply.payload(_WANTED, seen, todo))
    assert _difference(before, _listing(north)) != []
    OnPremHost().delete(made.id, made.outputs)
    assert _difference(before, _listing(north)) == []
    OnPremHost().delete(made.id, made.outputs)
    assert _difference(before, _listing(north)) == []


def test_a_host_that_cannot_be_reached_is_not_said_to_be_clean(north: Existing) -> None:
    """Its removal fails, and the error names it."""
    made = OnPremHost().create(north.inputs())
    with pytest.raises(UnreachableError) as caught:
        OnPremHost().delete(made.id, {**made.outputs, "port": 2222})
    assert caught.value.host == "north"
