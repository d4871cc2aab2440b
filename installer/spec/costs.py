"""What a platform costs a month by list prices: pure arithmetic over its specification and a table of prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, ValidationError

from installer.core.errors import SpecError
from installer.spec import billed
from installer.spec.base import Model
from installer.spec.platform import Platform

_HOURLY: Final = frozenset({"instance", "gpu", "balancer", "gateway", "address"})  # the others are priced a month
NOT_COUNTED: Final = "traffic, and what lies in buckets"


class Prices(Model):
    """A table of prices: provider -> region of its own -> what -> type -> price."""

    date: date
    currency: str
    hours: float = Field(gt=0)
    prices: dict[str, dict[str, dict[str, dict[str, float]]]]

    def of(self, provider: str, place: str, what: str, kind: str) -> float | None:
        """A month of one; None when it is not known."""
        price = self.prices.get(provider, {}).get(place, {}).get(what, {}).get(kind)
        return None if price is None else price * (self.hours if what in _HOURLY else 1)


@dataclass(frozen=True)
class Cost:
    """Some of one kind in one region. `month` is None where there is no price."""

    region: str
    what: str  # `instance m7i.large`
    quantity: int
    month: float | None

    def __str__(self) -> str:
        return f"{self.region}: {self.quantity} x {self.what}"


@dataclass(frozen=True)
class Costs:
    """A platform before and after, by one table."""

    before: tuple[Cost, ...]
    after: tuple[Cost, ...]
    currency: str
    prices_of: str  # the day
    without: str = field(default=NOT_COUNTED)

    @property
    def totals(self) -> tuple[float, float]:
        """Of what has a price."""
        return _total(self.before), _total(self.after)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What is there afterwards and has no price."""
        return tuple(str(cost) for cost in self.after if cost.month is None)

    def to_json(self) -> dict[str, Any]:
        before, after = self.totals
        return {
            "currency": self.currency,
            "pricesOf": self.prices_of,
            "monthBefore": before,
            "monthAfter": after,
            "unpriced": list(self.unpriced),
            "without": self.without,
            "before": [_plain(cost) for cost in self.before],
            "after": [_plain(cost) for cost in self.after],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Costs:
        """The costs behind `to_json`."""
        before, after = (tuple(Cost(**cost) for cost in data[side]) for side in ("before", "after"))
        return cls(before, after, data["currency"], data["pricesOf"], data["without"])


def shipped() -> Prices:
    """The table that comes with Moorage."""
    text = resources.files("installer.spec").joinpath("prices.yaml").read_text(encoding="utf-8")
    return Prices.model_validate(yaml.safe_load(text))


def prices(path: Path | None) -> Prices:
    """The shipped table, with a file's prices over it; raises SpecError for a file that is none."""
    table = shipped()
    if path is None:
        return table
    try:
        given = Prices.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise SpecError(f"cannot read {path}: {exc.strerror}", hint="name a file of prices with --prices") from exc
    except (yaml.YAMLError, ValidationError) as exc:
        raise SpecError(
            f"{path} is no table of prices", cause=str(exc), hint="installer/spec/prices.yaml is one"
        ) from exc
    if given.currency != table.currency:  # two currencies make no sum: then the file's prices are all there are
        return given
    merged = {**given.model_dump(), "prices": _over(given.prices, table.prices)}
    return Prices.model_validate(merged)


def compare(before: Platform | None, after: Platform | None, table: Prices) -> Costs | None:
    """Costs before and after; None where nothing of either is rented."""
    sides = [tuple(_costs(platform, table)) if platform else () for platform in (before, after)]
    return Costs(sides[0], sides[1], table.currency, str(table.date)) if any(sides) else None


def _costs(platform: Platform, table: Prices) -> Iterator[Cost]:
    for region in platform.spec.regions:
        kind = region.provider.kind
        if kind in billed.FREE:
            continue
        place, quantities = billed.BY_KIND[kind](region)
        for (what, type_), quantity in quantities.items():
            if not quantity:
                continue
            price = table.of(kind, place, what, type_)
            yield Cost(region.name, f"{what} {type_}", quantity, None if price is None else round(price * quantity, 2))


def _total(costs: tuple[Cost, ...]) -> float:
    return round(sum(cost.month or 0 for cost in costs), 2)


def _plain(cost: Cost) -> dict[str, Any]:
    return {"region": cost.region, "what": cost.what, "quantity": cost.quantity, "month": cost.month}


def _over(new: Any, old: Any) -> Any:
    """`old` with what `new` has in its place, however deep."""
    if not (isinstance(new, dict) and isinstance(old, dict)):
        return new
    return {**old, **{key: _over(inner, old.get(key)) for key, inner in new.items()}}
