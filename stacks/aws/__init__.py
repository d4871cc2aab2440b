"""The stack of a region on AWS, in components: network, firewall, bastion, hosts, balancer, backups.

Each resource is imported from its own module of the SDK: `from pulumi_aws import ec2` loads all of a service, which
takes a second longer (7.51.1).
"""
