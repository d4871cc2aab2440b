"""The wanted state of a host, the facts of one, their difference, and the one script that closes it."""
