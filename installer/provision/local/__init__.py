"""Hosts on this machine: systemd in podman containers, on a network that nothing leaves."""
