"""References that keep values out of the specification: an environment variable or a file."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, model_validator

from installer.core.errors import SpecError
from installer.core.secret import Secret
from installer.spec.base import Model


class Reference(Model):
    """`{env: NAME}` or `{file: path}`, a path being relative to the specification's directory."""

    env: str | None = Field(None, description="The name of an environment variable.")
    file: str | None = Field(None, description="A path, relative to the specification.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Reference:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env or file")
        return self

    def resolve(self, directory: Path) -> Secret:
        """The value behind the reference, without a trailing newline; raises SpecError that names it."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise SpecError(f"environment variable {self.env} is not set", hint=f"export {self.env}=... and repeat")
            return Secret(value)
        path = directory / Path(str(self.file)).expanduser()
        try:
            return Secret(path.read_text().rstrip("\n"))
        except OSError as exc:
            raise SpecError(f"cannot read {path}: {exc.strerror}", hint="mend the file reference") from exc
