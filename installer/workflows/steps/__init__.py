"""Steps that playbooks name; importing this package registers them all."""

from installer.workflows import etcd_members, maintenance  # noqa: F401 - their guards are registered
from installer.workflows.steps import (
    apply_cluster,
    build_bundle,
    change_host,
    check_hosts,
    configure_manager,
    dedicated_host,
    distribute_bundle,
    drain_host,
    install_host,
    join_manager,
    leave_host,
    prove_host,
    provide_hosts,
    put_back_host,
    remove_hosts,
    take_snapshot,
)

__all__ = [
    "apply_cluster",
    "build_bundle",
    "change_host",
    "check_hosts",
    "configure_manager",
    "dedicated_host",
    "distribute_bundle",
    "drain_host",
    "install_host",
    "join_manager",
    "leave_host",
    "provide_hosts",
    "prove_host",
    "put_back_host",
    "remove_hosts",
    "take_snapshot",
]
