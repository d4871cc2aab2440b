"""Kubernetes' own conformance tests, run on clusters of ours without internet."""
