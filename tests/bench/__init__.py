"""Figures, not verdicts: each module prints a table of times and ratios. Nothing here fails a build."""
