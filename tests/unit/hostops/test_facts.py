"""Facts: the script run for real on this machine, and its lines read."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from installer.core.errors import HostError
from installer.hostops import facts


def run(requests: str) -> list[str]:
    """The script's lines, with these requests."""
    done = subprocess.run(["sh", "-c", facts.script()], input=requests, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_what_is_asked_for_is_told(tmp_path: Path) -> None:
    """Files with mode, owner and digest; links, directories, certificates; what is missing is left out."""
    (tmp_path / "one").write_text("1")
    (tmp_path / "one").chmod(0o640)
    (tmp_path / "two").write_text("2")
    (tmp_path / "link").symlink_to("/somewhere else")
    (tmp_path / "folder").mkdir(mode=0o700)
    pem = "-----BEGIN CERTIFICATE-----\nAAA+/=\n-----END CERTIFICATE-----\n"
    for name in ("a.crt", "b.crt"):
        (tmp_path / name).write_text(pem)
    wanted = [f"file {tmp_path}/{name}" for name in ("one", "two", "link", "folder", "missing")]
    wanted += [f"cert {tmp_path}/{name}" for name in ("a.crt", "b.crt", "missing.crt")]
    wanted += [f"disk {tmp_path}/not/there/yet"]
    seen = facts.parse(run("\n".join(wanted) + "\n"), started=0.0, ended=0.0)
    owner = f"{tmp_path.stat().st_uid}:{tmp_path.stat().st_gid}"
    assert {path.rpartition("/")[2]: found for path, found in seen.files.items()} == {
        "one": facts.SeenFile(0o640, owner, hashlib.sha256(b"1").hexdigest()),
        "two": facts.SeenFile((tmp_path / "two").stat().st_mode & 0o777, owner, hashlib.sha256(b"2").hexdigest()),
    }
    assert seen.links == {f"{tmp_path}/link": "/somewhere else"}
    assert seen.directories == {f"{tmp_path}/folder": (0o700, owner)}
    assert seen.certificates == {f"{tmp_path}/a.crt": pem, f"{tmp_path}/b.crt": pem}
    assert next(iter(seen.disks.values())).size > 0


def test_general_facts_of_this_machine() -> None:
    """They agree with what Python knows."""
    seen = facts.parse(run(""), started=0.0, ended=0.0)
    assert seen.cpus > 0
    assert seen.memory > seen.memory_available > 0
    assert seen.sysctls["net.ipv4.ip_forward"] in {"0", "1"}
    assert seen.machine_id == Path("/etc/machine-id").read_text().strip()
    assert "tar" in seen.tools
    assert "overlay" in seen.filesystems | seen.modules or seen.filesystems


def test_facts_that_were_cut_off_are_refused() -> None:
    """Half of them would be taken for a host that has little."""
    with pytest.raises(HostError, match="incomplete"):
        facts.parse(run("")[:-1], started=0.0, ended=0.0)


def test_kernel_settings_come_whole() -> None:
    """dash reads a byte at a time, and a kernel setting is given only once."""
    seen = facts.parse(run(""), started=0.0, ended=0.0)
    path = Path("/proc/sys/fs/inotify/max_user_watches")
    assert seen.sysctls["fs.inotify.max_user_watches"] == path.read_text().strip()
