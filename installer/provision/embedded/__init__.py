"""A small Pulumi engine for machines without the CLI; docs/explanation/embedded-engine.md says what it does not do."""
