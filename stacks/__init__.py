"""Pulumi projects, one a provider; all export one contract (installer.spec.contract)."""
