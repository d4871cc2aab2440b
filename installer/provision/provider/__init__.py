"""Our own Pulumi provider, `moorage`: local hosts, hosts on premises, a platform's root secrets."""
