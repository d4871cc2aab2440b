"""Disks besides that of the system: found by their names, made a file system once, mounted before SSH answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# A host lets nobody in before its disks are there, so that nothing is ever written beside them; what one has is kept.
# From the second boot on systemd mounts it, and starts nothing that may want it without.
_MOUNT: Final = """until mountpoint -q {mount}; do
  for disk in {names}; do
    [ -b "$disk" ] || continue
    blkid -p "$disk" >/dev/null || [ $? -ne 2 ] || mkfs.ext4 -q -m 1 "$disk"
    grep -q ' {mount} ' /etc/fstab ||
      echo "UUID=$(blkid -p -s UUID -o value "$disk") {mount} ext4 defaults 0 2" >>/etc/fstab
    mkdir -p {mount}
    mount {mount} && break
  done
  mountpoint -q {mount} || { echo 'waiting for the disk of {mount}'; sleep 2; }
done"""


def mounted(mount: str, names: Sequence[str]) -> str:
    """A command of a shell for each boot: the disk that has one of these names is used at `mount`."""
    return _MOUNT.replace("{mount}", mount).replace("{names}", " ".join(names))
