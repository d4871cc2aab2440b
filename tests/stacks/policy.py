"""What no stack of ours may ask a cloud for, checked on the inputs of all that a program asked for.

Each cloud's own module says where such things stand there: `each`, `together`, `let_in` and KEYS of tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from installer.spec.cloud import WIDEST
from stacks.common.tags import Keys
from tests.fakes.cloud import sdk
from tests.stacks import policy_aws, policy_azure, policy_gcp

Inputs = Mapping[str, Any]  # with its type under `type`
_CLOUDS: Final[Mapping[str, ModuleType]] = {"aws": policy_aws, "azure-native": policy_azure, "gcp": policy_gcp}


def breaches(planned: Sequence[Inputs], *, published: tuple[int, int] = (30000, 32767)) -> list[str]:
    """Everything that is wrong, in words; `published`: the only ports that everybody may be let to."""
    found = []
    for package, cloud in _CLOUDS.items():
        own = [one for one in planned if one["type"].startswith(f"{package}:")]
        for one in own:
            faults = [*_open_to_everybody(cloud, one, published), *_untagged(one, cloud.KEYS), *cloud.each(one)]
            found += [f"{one['type']} {_name(one, cloud.KEYS)}: {why}" for why in faults]
        found += cloud.together(own)
    return found


def _open_to_everybody(cloud: ModuleType, one: Inputs, published: tuple[int, int]) -> Iterator[str]:
    for network, first, last in cloud.let_in(one):
        inside = published[0] <= first <= last <= published[1]
        if network.prefixlen < WIDEST and not inside:
            yield f"ports {first}-{last} are open to {network}"


def _untagged(one: Inputs, keys: Keys) -> Iterator[str]:
    if sdk.takes(one["type"], keys.kept_in):
        missing = {keys.platform, keys.region, keys.name} - (one.get(keys.kept_in) or {}).keys()
        if missing:
            yield f"has no tag {', '.join(sorted(missing))}"


def _name(one: Inputs, keys: Keys) -> str:
    return str((one.get(keys.kept_in) or {}).get(keys.name, ""))
