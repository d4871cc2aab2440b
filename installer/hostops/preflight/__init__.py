"""Preflight: importing this package registers every check; a new one is a function in a file named here."""

from installer.hostops.preflight import clocks, network, reach, resources, system
from installer.hostops.preflight.registry import Finding, Machine, Report, Result, Severity, run_checks

__all__ = [
    "Finding",
    "Machine",
    "Report",
    "Result",
    "Severity",
    "clocks",
    "network",
    "reach",
    "resources",
    "run_checks",
    "system",
]
