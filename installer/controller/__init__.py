"""The operator in the manager that reconciles clusters."""
