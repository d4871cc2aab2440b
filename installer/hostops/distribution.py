"""What differs between distributions: a small file each, in distributions/; everything else is the same on all hosts.

Units go to /etc/systemd/system, modules and settings to /etc/modules-load.d and /etc/sysctl.d, everything else to /opt,
/etc and /var: so it is on all that are known here, also where /usr is read-only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict

_FOLDER: Final = "distributions"


class Distribution(BaseModel):
    """A family of distributions. Commands are for whoever administers a host; Moorage runs none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    ids: Mapping[str, str]  # ID of os-release -> the oldest version that has what Moorage needs
    install: str  # what installs {packages}; empty: nothing can be installed
    packages: Mapping[str, str]  # a program that hosts need -> the package that has it
    modules: str  # how kernel modules are got that the image lacks
    cgroup2: str  # how a host is booted with cgroup v2
    firewalls: Mapping[str, str]  # a unit that filters what it does not know -> how it is stopped
    reboots: Mapping[str, str] = {}  # a unit that boots the host when it likes -> how it is stopped

    def is_too_old(self, os_id: str, version: str) -> bool:
        """Whether one of them is older than what is known to do; one that has no version, as Debian's next, is not."""
        oldest = self.ids.get(os_id, "")
        return bool(version) and _numbers(version) < _numbers(oldest)

    def installs(self, programs: Iterable[str]) -> str:
        """The command that brings programs; empty where none is known."""
        packages = sorted({self.packages.get(program, program) for program in programs})
        return self.install.format(packages=" ".join(packages))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", version)))


@cache
def known() -> tuple[Distribution, ...]:
    """All of them."""
    files = sorted(resources.files(__package__).joinpath(_FOLDER).iterdir(), key=lambda file: file.name)
    return tuple(Distribution.model_validate(yaml.safe_load(file.read_text())) for file in files)


def find(os_id: str, os_like: Iterable[str] = ()) -> Distribution | None:
    """That of a host by what its os-release says: its own ID, or the first of ID_LIKE; None: nobody knows it.

    https://www.freedesktop.org/software/systemd/man/latest/os-release.html#ID_LIKE=
    """
    by_id = {one: distribution for distribution in known() for one in distribution.ids}
    return next((by_id[one] for one in (os_id, *os_like) if one in by_id), None)


def names() -> str:
    """`Debian 12, Ubuntu 22.04, ...`: all that are known, with the oldest version."""
    return ", ".join(f"{one} {oldest}" for distribution in known() for one, oldest in distribution.ids.items())
