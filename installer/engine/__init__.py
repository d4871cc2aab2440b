"""The plan tree, its runner, journal, lock, guards and events; playbooks."""
