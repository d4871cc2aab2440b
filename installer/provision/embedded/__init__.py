"""A small Pulumi engine for machines without the CLI; docs/embedded-engine.md says what it does not do."""
