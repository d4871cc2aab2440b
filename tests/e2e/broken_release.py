"""A release that is whole, but for one program that ends as soon as it is started."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from installer.bundle.bundle import Bundle
from installer.bundle.store import Store

_BROKEN = b"#!/bin/sh\necho 'this release was made to fail' >&2\nexit 1\n"


def make(folder: Path, release: str, program: str) -> dict[str, str]:
    """A cache in `folder` in which the bundle of `release` has a broken `program`; the environment that names it."""
    bundle = Bundle.load(release)
    sha256 = hashlib.sha256(_BROKEN).hexdigest()
    artefacts = tuple(
        replace(one, sha256=sha256, size=len(_BROKEN)) if one.path == program else one for one in bundle.artefacts
    )
    assert sha256 in {one.sha256 for one in artefacts}, f"{release} has no {program}"
    store = Store(folder)
    for one in bundle.artefacts:
        link = store.path(one.sha256)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(bundle.store.path(one.sha256))
    store.path(sha256).write_bytes(_BROKEN)
    Bundle(bundle.release, bundle.arch, artefacts, store, bundle.sources).save()
    return {"MOORAGE_CACHE": str(folder)}
