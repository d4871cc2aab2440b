"""The commands, one file a group: each parses, calls one workflow and renders."""
