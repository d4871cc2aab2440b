"""Preflight: importing this package registers every check; a new one is a function in a file named here."""

from installer.hostops.preflight import clocks, network, reach, regions, resources, system
from installer.hostops.preflight.registry import (
    HOSTS,
    Checks,
    Finding,
    Machine,
    Report,
    Result,
    Severity,
    known,
    require_ignorable,
)

__all__ = [
    "HOSTS",
    "Checks",
    "Finding",
    "Machine",
    "Report",
    "Result",
    "Severity",
    "clocks",
    "known",
    "network",
    "reach",
    "regions",
    "require_ignorable",
    "resources",
    "system",
]
