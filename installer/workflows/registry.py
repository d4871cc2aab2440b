"""The steps and guards that playbooks may name."""

from __future__ import annotations

from typing import Final

from installer.engine.registry import GuardRegistry, StepRegistry
from installer.workflows.session import Session

STEPS: Final[StepRegistry[Session]] = StepRegistry()
GUARDS: Final[GuardRegistry[Session]] = GuardRegistry()
