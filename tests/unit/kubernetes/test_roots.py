"""Root secrets survive the way into the state and back."""

from __future__ import annotations

from installer.kubernetes.roots import Roots


def test_roots_come_back_from_their_mapping() -> None:
    """The flat form holds everything."""
    roots = Roots.generate("harbor")
    assert Roots.from_mapping(roots.to_mapping()) == roots


def test_roots_do_not_show() -> None:
    """No key is in the text of the roots or of their flat form."""
    roots = Roots.generate("harbor")
    text = repr(roots) + repr(roots.to_mapping())
    assert "PRIVATE KEY" not in text
    assert roots.encryption_key.reveal() not in text
