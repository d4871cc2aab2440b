"""The addresses of all clusters' load balancers, each of one cluster alone, and the speakers while there are any."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address

from lightkube import codecs
from lightkube.resources.core_v1 import Node, Secret

from installer.controller.manager_api import Api, meta_of
from installer.core.secret import Secret as Hidden
from installer.kubernetes import client, speakers
from installer.kubernetes.settings import PlatformSettings
from installer.spec.addresses import Range, parse_range


class AddressPools:
    """Of a platform. May be used by several threads."""

    def __init__(self, api: Api, settings: PlatformSettings) -> None:
        self._api = api
        self._settings = settings
        self._one_at_a_time = threading.Lock()
        self._without: set[str] = set()  # clusters known to have none
        self._silent = False  # no speaker is known to run

    def keep(self, cluster: str, ranges: Sequence[Range]) -> str | None:
        """Have the hosts answer for these addresses of a cluster, and no others; or why they may not."""
        with self._one_at_a_time:
            if not ranges:
                self._release(cluster)
                return None
            for one in ranges:
                if whose := next((what for what, taken in self._taken(cluster) if one.overlaps(taken)), None):
                    return f"{one} overlaps {whose}"
            self._without.discard(cluster)
            self._silent = False
            self._api.secret_once(speakers.memberlist_secret(Hidden(secrets.token_hex(32))))
            self._api.apply([speakers.pool(cluster, ranges), *speakers.daemons(self._settings)])
            return None

    def release(self, cluster: str) -> None:
        """Forget a cluster; without any that has addresses, no speaker runs."""
        with self._one_at_a_time:
            self._release(cluster)
            self._without.discard(cluster)

    def _release(self, cluster: str) -> None:
        if cluster in self._without:
            return
        pools = self._pools()
        if cluster in pools:
            self._api.delete(client.AddressPoolResource, cluster, speakers.NAMESPACE)
        if not pools.keys() - {cluster} and not self._silent:
            for document in speakers.daemons(self._settings):
                kind = type(codecs.from_dict(document))
                self._api.delete(kind, document["metadata"]["name"], speakers.NAMESPACE)
            self._api.delete(Secret, speakers.MEMBERLIST, speakers.NAMESPACE)
            self._silent = True
        self._without.add(cluster)

    def _pools(self) -> dict[str, list[Range]]:
        found = self._api.list(client.AddressPoolResource, speakers.NAMESPACE)
        return {meta_of(pool).name: [parse_range(text) for text in pool.spec["addresses"]] for pool in found}

    def _taken(self, cluster: str) -> Iterator[tuple[str, Range]]:
        """Whose other addresses are."""
        for name, ranges in self._pools().items():
            if name != cluster:
                yield from ((f"the addresses of cluster {name}", one) for one in ranges)
        for what, network in (("pods", self._settings.pods), ("services", self._settings.services)):
            yield f"the manager's {what} {network}", Range(network[0], network[-1])
        for host in self._api.list(Node):
            for address in (host.status.addresses or ()) if host.status else ():
                if address.type == "InternalIP":
                    own = IPv4Address(address.address)
                    yield f"the address of host {meta_of(host).name}", Range(own, own)
