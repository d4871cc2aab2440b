"""The moorage command; the only place that prints."""
