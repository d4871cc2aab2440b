"""Component versions as they are compared: Kubernetes, etcd, containerd and Moorage's own releases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_FORM = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")


@total_ordering
@dataclass(frozen=True)
class Version:
    """major.minor.patch with an optional pre-release; a leading `v` and build metadata are accepted and dropped."""

    major: int
    minor: int
    patch: int = 0
    pre: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.36.3`, `v1.36.3` or `1.36`; raises ValueError otherwise."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not a version: {text!r} (expected major.minor.patch)")
        major, minor, patch, pre = match.groups()
        return cls(int(major), int(minor), int(patch or 0), pre or "")

    @property
    def line(self) -> tuple[int, int]:
        """The minor line, the unit of Kubernetes' skew policy."""
        return (self.major, self.minor)

    def _key(self) -> tuple[int, int, int, bool, str]:
        return (self.major, self.minor, self.patch, self.pre == "", self.pre)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return self._key() < other._key()

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")


def refused_step(before: Version, after: Version) -> str:
    """Why an API server cannot go from one version to another at once; empty when it can.

    https://kubernetes.io/releases/version-skew-policy/: one minor version at a time. What a newer one has stored an
    older one may not be able to read; patches of one minor version store the same.
    """
    if after.line < before.line:
        return f"{after} is older than {before}: a control plane does not go back"
    if after.line > (before.major, before.minor + 1):
        return f"from {before} by way of {before.major}.{before.minor + 1}: one minor version at a time"
    return ""
