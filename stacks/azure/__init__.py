"""The stack of a region on Azure, in components: network, firewall, bastion, hosts, balancer, backups.

Each resource is imported from its own module of the SDK, which loads those of its service and no other: 110 MB in all,
where `import pulumi_azure_native` and a use of each would not be less, and the whole SDK is 356 MB on disk (3.29.0).
"""
