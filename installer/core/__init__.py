"""What every layer shares: errors, secrets, versions, time, where things lie on a host."""
