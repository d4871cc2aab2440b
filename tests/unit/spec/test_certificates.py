"""How long certificates may live."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from installer.spec.platform import Certificates


@pytest.mark.parametrize(("days", "authority_days"), [(1, 2), (365, 3650), (3650, 36500)])
def test_lifetimes_within_bounds(days: int, authority_days: int) -> None:
    """From a day to ten years, authorities a hundred."""
    found = Certificates.model_validate({"days": days, "authorityDays": authority_days})
    assert (found.days, found.authority_days) == (days, authority_days)


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"days": 0}, "days"),
        ({"days": 3651}, "days"),
        ({"authorityDays": 36501}, "authorityDays"),
        ({"days": 365, "authorityDays": 365}, "authorityDays must be more than days"),
        ({"days": 3650}, "authorityDays must be more than days"),  # as long as an authority lives by default
    ],
)
def test_lifetimes_out_of_bounds(given: dict[str, int], where: str) -> None:
    """An authority outlives what it issues."""
    with pytest.raises(ValidationError, match=where):
        Certificates.model_validate(given)
