"""One datastore brought to what its resource says: its members, the room in it, who may use it."""
