"""The stack of a region on Google Cloud, in components: network, firewall, bastion, hosts, balancer, backups.

Each resource is imported from its own module of the SDK: `import pulumi_gcp` alone loads the names of all services, and
`from pulumi_gcp import compute` all of one.

What can have labels has those of `Tags`, and is named as in AWS; what cannot has the platform in its name. Pulumi adds
a random end to each name, so that no two platforms are in each other's way in one project.
"""
