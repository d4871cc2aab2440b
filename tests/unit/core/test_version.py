"""Versions are read and compared as people mean them."""

from __future__ import annotations

import pytest

from installer.core.version import Version, refused_step


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.36.3", Version(1, 36, 3)),
        ("v1.36.3", Version(1, 36, 3)),
        ("1.36", Version(1, 36)),
        ("1.37.0-rc.1", Version(1, 37, 0, "rc.1")),
        ("1.36.3+build.7", Version(1, 36, 3)),
        (" 2026.11 ", Version(2026, 11)),
    ],
)
def test_versions_are_read(text: str, expected: Version) -> None:
    """With or without v, patch, pre-release and build."""
    assert Version.parse(text) == expected


@pytest.mark.parametrize("text", ["", "1", "1.x", "one.two", "1.2.3.4", "1.2.3 4"])
def test_other_text_is_refused(text: str) -> None:
    """It is told to be none."""
    with pytest.raises(ValueError, match="not a version"):
        Version.parse(text)


def test_versions_are_ordered_by_number_and_a_pre_release_comes_before() -> None:
    """1.9 is before 1.10."""
    ordered = ["1.9.9", "1.10.0-rc.1", "1.10.0", "1.10.1", "2.0.0"]
    assert [str(v) for v in sorted(map(Version.parse, reversed(ordered)))] == ordered


def test_the_line_is_the_minor_version() -> None:
    """The unit of Kubernetes' skew policy."""
    assert Version.parse("1.36.3").line == (1, 36)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("1.36.3", "1.36.3", ""),
        ("1.36.3", "1.37.2", ""),
        ("1.36.3", "1.36.9", ""),
        ("1.36.3", "1.36.1", ""),
        ("1.37.2", "1.36.3", "1.36.3 is older than 1.37.2: a control plane does not go back"),
        ("1.36.3", "1.38.0", "from 1.36.3 by way of 1.37: one minor version at a time"),
        ("1.36.3", "2.0.0", "from 1.36.3 by way of 1.37: one minor version at a time"),
    ],
)
def test_a_control_plane_goes_up_one_minor_version_at_a_time(before: str, after: str, why: str) -> None:
    """Kubernetes' own rule."""
    assert refused_step(Version.parse(before), Version.parse(after)) == why
