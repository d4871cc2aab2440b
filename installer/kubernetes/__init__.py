"""Pure rendering of Kubernetes: PKI, control plane, node, datastore, addons; a client beside it."""
