"""`python -m installer.controller SETTINGS.json`: the controller's process."""

import sys
from pathlib import Path

from installer.controller.operator import run
from installer.kubernetes.settings import PlatformSettings

run(PlatformSettings.from_json(Path(sys.argv[1]).read_text()))
