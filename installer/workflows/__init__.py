"""What Moorage does, end to end: facts, plan, run."""
