"""Documents that tests write: right ones, with places where a test puts in something wrong."""

from __future__ import annotations

HEAD = "apiVersion: moorage.dev/v1\n"
LOCAL_HOSTS = "{name: manager, role: manager, count: 3}, {name: worker, role: worker, count: 2}"


def platform(*, hosts: str = LOCAL_HOSTS, regions: str = "", spec: str = "", name: str = "harbor") -> str:
    """A platform with one local region, or with the `regions` given in flow style."""
    regions = regions or f"{{name: home, provider: {{kind: local}}, hosts: [{hosts}]}}"
    return (
        f'{HEAD}kind: Platform\nmetadata: {{name: {name}}}\nspec:\n  release: "2026.11"\n  regions: [{regions}]\n{spec}'
    )


def onprem(hosts: str, *, ssh: str = "{}", vip: str = "null", spec: str = "") -> str:
    """A platform with one region of hosts that exist."""
    provider = f"{{kind: onprem, ssh: {ssh}, vip: {vip}}}"
    return platform(regions=f"{{name: hall, provider: {provider}, hosts: [{hosts}]}}", spec=spec)


def aws(provider: str = "", *, hosts: str = "{name: m, role: manager, count: 3}", spec: str = "") -> str:
    """A platform with one region on AWS; `provider` is what its provider says besides what it must."""
    must = "kind: aws, region: eu-central-1, access: {sources: [192.0.2.0/24]}"
    more = f", {provider}" if provider else ""
    return platform(regions=f"{{name: cloud, provider: {{{must}{more}}}, hosts: [{hosts}]}}", spec=spec)


def azure(provider: str = "", *, hosts: str = "{name: m, role: manager, count: 3}", spec: str = "") -> str:
    """A platform with one region on Azure; `provider` is what its provider says besides what it must."""
    must = "kind: azure, location: westeurope, access: {sources: [192.0.2.0/24]}"
    more = f", {provider}" if provider else ""
    return platform(regions=f"{{name: cloud, provider: {{{must}{more}}}, hosts: [{hosts}]}}", spec=spec)


def gcp(provider: str = "", *, hosts: str = "{name: m, role: manager, count: 3}", spec: str = "") -> str:
    """A platform with one region on Google Cloud; `provider` is what its provider says besides what it must."""
    must = "kind: gcp, project: example-123456, region: europe-west3, access: {sources: [192.0.2.0/24]}"
    more = f", {provider}" if provider else ""
    return platform(regions=f"{{name: cloud, provider: {{{must}{more}}}, hosts: [{hosts}]}}", spec=spec)


def cluster(*, name: str = "team-a", version: str = "1.36.3", pools: str = "", spec: str = "") -> str:
    """A cluster, as another document."""
    return (
        f"---\n{HEAD}kind: Cluster\nmetadata: {{name: {name}}}\nspec:\n  version: {version}\n  pools: [{pools}]\n{spec}"
    )


def pool(*, name: str = "general", count: int = 2, cpu: str = "1", memory: str = "2Gi") -> str:
    """A shared pool in flow style."""
    return f"{{name: {name}, kind: shared, count: {count}, cpu: {cpu}, memory: {memory}}}"
