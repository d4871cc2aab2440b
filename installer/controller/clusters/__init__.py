"""One cluster brought to what its resource says: its control plane, its nodes, what is inside it."""
