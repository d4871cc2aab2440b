"""Where benches measure: a platform on local hosts, taken down whatever happens."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.platform_under_test import PlatformUnderTest

_SPEC = """apiVersion: moorage.dev/v1
kind: Platform
metadata: {{name: {name}}}
spec:
  release: "{release}"
  regions:
    - name: home
      provider: {{kind: local}}
      hosts:
        - {{name: manager, role: manager, count: {managers}}}
        - {{name: worker, role: worker, count: {workers}, zones: [{zones}]}}
"""


@contextmanager
def local_platform(
    name: str, *, managers: int = 1, workers: int = 1, release: str = "2026.11"
) -> Iterator[PlatformUnderTest]:
    """Specified, not yet up; each worker, of two at most, is in a zone of its own."""
    zones = ", ".join("ab"[:workers])
    with tempfile.TemporaryDirectory() as folder:
        platform = PlatformUnderTest(name, Path(folder))
        text = _SPEC.format(name=name, managers=managers, workers=workers, zones=zones, release=release)
        (platform.folder / "platform.yaml").write_text(text)
        try:
            yield platform
        finally:
            platform.take_down()
