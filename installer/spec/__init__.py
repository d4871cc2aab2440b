"""What users write: models, loading, faults by file, line and path."""
