"""Releases and the content-addressed artefacts they are made of."""
