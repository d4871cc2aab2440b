"""Hosts from Pulumi programs: the Automation API, the embedded engine, our own provider."""
