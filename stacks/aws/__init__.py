"""The stack of a region on AWS, in components: network, firewall, bastion, hosts, balancer, backups."""
