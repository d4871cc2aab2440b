"""What a host does to have its disks, run by a shell whose tools write down what they are asked."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from stacks.common.volumes import mounted

_TOOLS = {  # `mounted` and `full` are files: whether the disk is mounted, and whether it has a file system
    "mountpoint": '[ -e "$WORLD/mounted" ]',
    "blkid": 'case "$*" in *UUID*) echo 1234 ;; *) [ -e "$WORLD/full" ] || exit 2 ;; esac',
    "mkfs.ext4": 'echo "mkfs $*" >>"$WORLD/log"; : >"$WORLD/full"',
    "mount": 'echo "mount $*" >>"$WORLD/log"; : >"$WORLD/mounted"',
    "sleep": ': >"$WORLD/waited"; : >"$WORLD/disk"',  # while it waits, the disk comes
}


@dataclass(frozen=True)
class World:
    """A host with one disk, or none yet."""

    folder: Path

    def boot(self) -> str:
        """Run it; returns what it said."""
        mount = str(self.folder / "data")
        text = mounted(mount, [str(self.folder / "never"), str(self.folder / "disk")])
        text = text.replace("/etc/fstab", str(self.folder / "fstab")).replace("[ -b", "[ -e")  # a file is no disk
        env = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "WORLD": str(self.folder)}
        done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout

    def log(self) -> list[str]:
        """What was done to the disk since the last time, without paths."""
        file = self.folder / "log"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line.split()[0] for line in lines]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One whose disk is there, and empty."""
    (tmp_path / "bin").mkdir()
    for name, body in _TOOLS.items():
        tool = tmp_path / "bin" / name
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
    (tmp_path / "disk").touch()
    (tmp_path / "fstab").touch()
    return World(tmp_path)


def test_an_empty_disk_gets_a_file_system_once(world: World) -> None:
    """And is mounted by the table of file systems from then on: a second boot does nothing."""
    world.boot()
    assert world.log() == ["mkfs", "mount"]
    assert (world.folder / "fstab").read_text() == f"UUID=1234 {world.folder / 'data'} ext4 defaults 0 2\n"
    world.boot()
    assert world.log() == []


def test_what_a_disk_has_is_kept(world: World) -> None:
    """Of a host that is made again, for one: it is mounted as it is."""
    (world.folder / "full").touch()
    world.boot()
    assert world.log() == ["mount"]


def test_a_disk_that_is_not_there_is_waited_for(world: World) -> None:
    """The console says for which; nothing else of the boot goes on, so nobody writes where it belongs."""
    (world.folder / "disk").unlink()
    assert f"waiting for the disk of {world.folder / 'data'}" in world.boot()
    assert world.log() == ["mkfs", "mount"]
