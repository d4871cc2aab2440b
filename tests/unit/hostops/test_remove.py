"""Taking away what was installed."""

from __future__ import annotations

import subprocess

from installer.hostops import remove
from installer.hostops.facts import Manifest
from tests.conftest import Golden

MANIFEST = Manifest(
    files={"/etc/moorage/node/ca.crt": "1", "/etc/systemd/system/kubelet.service": "2"},
    links={"/opt/moorage/current": "/opt/moorage/releases/1"},
    units={"kubelet.service": "3", "containerd.service": "4"},
)


def test_the_script(golden: Golden) -> None:
    """Units first, files then; the manifest goes last, so that a killed removal is found again."""
    text = remove.script(MANIFEST)
    golden("hostops/remove.sh", text)
    assert text.index("rm -f /var/lib/moorage/manifest.json") > text.index("find ")


def test_every_shell_can_read_it() -> None:
    """dash, which /bin/sh mostly is."""
    subprocess.run(["sh", "-n"], input=remove.script(MANIFEST), text=True, check=True)


def test_without_units_none_is_stopped() -> None:
    """`systemctl disable` without a name would be an error, and hide others."""
    assert '[ -z "" ] || systemctl' in remove.script(Manifest())
