"""Whether those who read from a datastore know of a member: it may go once they know of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from lightkube.resources.apps_v1 import Deployment

from installer.controller.manager_api import Api, is_complete
from installer.kubernetes import hosted

_FLAG: Final = "--etcd-servers="


def told(api: Api, clusters: Iterable[str], addresses: Mapping[str, str]) -> frozenset[str]:
    """The members, of those at `addresses`, that all API servers know of which read from any of them."""
    known = frozenset(addresses)
    for cluster in clusters:
        found: Any = api.get(Deployment, hosted.CONTROL_PLANE, hosted.namespace(cluster))
        if found is None:
            continue
        theirs = {name for name, address in addresses.items() if address in _servers(found)}
        if theirs:
            known &= theirs if is_complete(found) else frozenset()
    return known


def _servers(found: Any) -> frozenset[str]:
    words = [word for one in found.spec.template.spec.containers for word in one.command or ()]
    urls = [url for word in words if word.startswith(_FLAG) for url in word.removeprefix(_FLAG).split(",")]
    return frozenset(urlsplit(url).hostname or "" for url in urls)
