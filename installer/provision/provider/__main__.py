"""`python -m installer.provision.provider`: the plugin that an engine starts."""

from importlib import metadata

from installer.provision.provider.server import serve

serve(metadata.version("moorage"))
