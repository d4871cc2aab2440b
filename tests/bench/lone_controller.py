"""`python -m tests.bench.lone_controller SETTINGS FOLDER PROGRAM`: the controller, with an etcd that is not its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from installer.controller import operator
from installer.controller.datastores import etcdctl
from installer.controller.datastores.datastores import Datastores
from installer.controller.datastores.etcdctl import Etcdctl
from installer.controller.datastores.one_pass import Look, Serving
from installer.controller.datastores.status import AVAILABLE, MEMBERS, SPACE, Found
from installer.controller.status import Condition
from installer.core.secret import Secret
from installer.kubernetes.pki import CertificateAuthority
from installer.kubernetes.settings import PlatformSettings

ADDRESS = "127.0.0.1"


def main(settings: Path, folder: Path, program: str) -> None:
    """Run it as its pod does; the shared datastore is said to serve, and `folder` has its authority."""
    etcdctl._PROGRAM = program  # type: ignore[misc]
    authority = CertificateAuthority((folder / "ca.crt").read_text(), Secret((folder / "ca.key").read_text()))
    available, members, space = (Condition(kind, True, "Ready") for kind in (AVAILABLE, MEMBERS, SPACE))
    well = Found(available=available, members_ready=members, space=space)

    def register(_: Any, __: Any, datastores: Datastores) -> None:
        ctl = Etcdctl([ADDRESS], authority, folder / "client")
        datastores.note("shared", Look(well, steady=True, serving=Serving(ctl.servers, authority, ctl)))

    operator.datastore_operator.register = register  # type: ignore[assignment]
    operator.run(PlatformSettings.from_json(settings.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
