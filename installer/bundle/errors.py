"""Errors of bundles that are told apart by what can be done about them."""

from __future__ import annotations

from installer.core.errors import BundleError


class SourceUnreachableError(BundleError):
    """An artefact could not be fetched; another source may have it."""


class UnpinnedError(BundleError):
    """The digest of an official build is not known, so it must not be used."""


class ToolMissingError(BundleError):
    """A program that a build needs is not on this machine."""
