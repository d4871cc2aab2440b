"""Steps that playbooks name, one a file; importing this package registers them all."""

from installer.workflows.steps import (
    apply_cluster,
    build_bundle,
    check_hosts,
    configure_host,
    configure_manager,
    distribute_bundle,
    provide_hosts,
    remove_hosts,
)

__all__ = [
    "apply_cluster",
    "build_bundle",
    "check_hosts",
    "configure_host",
    "configure_manager",
    "distribute_bundle",
    "provide_hosts",
    "remove_hosts",
]
