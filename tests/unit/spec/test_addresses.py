"""Ranges of addresses as specifications write them."""

from __future__ import annotations

import re

import pytest

from installer.spec.addresses import PATTERN, parse_range


@pytest.mark.parametrize(
    ("text", "shown", "count"),
    [
        ("192.0.2.10", "192.0.2.10", 1),
        ("192.0.2.10-192.0.2.19", "192.0.2.10-192.0.2.19", 10),
        ("192.0.2.16/28", "192.0.2.16-192.0.2.31", 16),
        ("192.0.2.7/32", "192.0.2.7", 1),
        ("192.0.2.0/24", "192.0.2.0-192.0.2.255", 256),
    ],
)
def test_a_range_is_read(text: str, shown: str, count: int) -> None:
    """One address, the first and the last, or a network with all of its addresses."""
    found = parse_range(text)
    assert re.match(PATTERN, text)
    assert (str(found), len(found), len(list(found))) == (shown, count, count)
    assert found.first in found
    assert found.last in found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("192.0.2.19-192.0.2.10", "the last address comes before the first"),
        ("192.0.0.0/23", "512 addresses; 256 are allowed in one range"),
        ("192.0.2.17/28", "has host bits set"),
        ("192.0.2.256", "not permitted"),
        ("192.0.2.1-", "not a range"),
        ("", "not a range"),
        ("2001:db8::1", "not a range"),
    ],
)
def test_what_is_no_range_is_refused(text: str, why: str) -> None:
    """The error says what is wrong with it."""
    if text == "192.0.2.1-":
        assert not re.match(PATTERN, text)
        return
    with pytest.raises(ValueError, match=why):
        parse_range(text)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("192.0.2.10-192.0.2.19", "192.0.2.19", True),
        ("192.0.2.10-192.0.2.19", "192.0.2.20-192.0.2.29", False),
        ("192.0.2.16/28", "192.0.2.20-192.0.2.21", True),
        ("192.0.2.20-192.0.2.21", "192.0.2.16/28", True),
    ],
)
def test_ranges_overlap(one: str, other: str, overlap: bool) -> None:
    """When they have an address in common, whichever is asked."""
    assert parse_range(one).overlaps(parse_range(other)) == overlap
    assert parse_range(other).overlaps(parse_range(one)) == overlap
