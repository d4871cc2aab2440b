"""The controller in the manager: it brings every Cluster resource to what it says, and keeps it there."""
