"""Moorage: one specification to Kubernetes clusters on machines anywhere, and their upgrades."""
