"""Where the nodes of a cluster pull images: mirrors, authorities and logins of registries."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from installer.spec.base import Model, Name, always, rules, specification_only
from installer.spec.reference import Reference

EVERY: Final = "*"  # the registry that stands for all without an entry of their own
# Secrets of a cluster's namespace that are Moorage's.
OWN_SECRETS: Final = ("admin-kubeconfig", "control-plane", "registries", "roots")
_HOST: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(:[0-9]{1,5})?"
_PEM: Final = r"^-----BEGIN CERTIFICATE-----\s"
_ALL_NEED_MIRRORS: Final = "registry * needs mirrors, and has no ca or credentials of its own"
_NOTHING_LEFT: Final = "without its upstream, a registry needs mirrors"
_OWN_SECRET: Final = f"a Secret of Moorage's own: none of {', '.join(OWN_SECRETS)}"
_IN_PAIRS: Final = "give username and password, or neither"

RegistryName = Annotated[str, StringConstraints(pattern=rf"^(\*|{_HOST})$", max_length=253)]
Url = Annotated[str, StringConstraints(pattern=rf"^https://{_HOST}(/[-._~/a-zA-Z0-9]*)?$", max_length=512)]
Authority = Annotated[str, StringConstraints(pattern=_PEM, max_length=65536)]


class Credentials(Model):
    """A login, kept in a Secret of the manager with the entries `username` and `password`."""

    model_config = ConfigDict(
        json_schema_extra=rules((f"!(self.secret in [{', '.join(map(repr, OWN_SECRETS))}])", _OWN_SECRET))
    )

    secret: Name = always(description="A Secret in the cluster's namespace in the manager, `cluster-NAME`.")
    username: Reference | None = specification_only("Where `up` takes the user that it writes into the Secret.")
    password: Reference | None = specification_only("Where `up` takes the password that it writes into the Secret.")

    @field_validator("secret")
    @classmethod
    def _is_free(cls, secret: str) -> str:
        if secret in OWN_SECRETS:
            raise ValueError(_OWN_SECRET)
        return secret

    @model_validator(mode="after")
    def _in_pairs(self) -> Credentials:
        if (self.username is None) != (self.password is None):
            raise ValueError(_IN_PAIRS)
        return self


class Endpoint(Model):
    """How one server is trusted and logged in to. It is always spoken to by TLS, and always verified."""

    ca: Authority | None = always(None, description="Its authorities, PEM, beside those that hosts know anyway.")
    credentials: Credentials | None = always(None, description="A login that only this server is shown.")

    @field_validator("ca")
    @classmethod
    def _is_readable(cls, ca: str | None) -> str | None:
        if ca is not None:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca)
            except ssl.SSLError as exc:
                raise ValueError("not a list of certificates, PEM") from exc
        return ca


class Mirror(Endpoint):
    """A server that has images of a registry."""

    url: Url = always(description="`https://HOST[:PORT][/PATH]`; `/v2` is added.")


class Registry(Endpoint):
    """One registry. `ca` and `credentials` are those of the registry itself, mirrors have their own."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!has(self.upstream) || self.upstream || (has(self.mirrors) && size(self.mirrors) > 0)", _NOTHING_LEFT),
            (
                f"self.name != '{EVERY}' || "
                "(has(self.mirrors) && size(self.mirrors) > 0 && !has(self.ca) && !has(self.credentials))",
                _ALL_NEED_MIRRORS,
            ),
        )
    )

    name: RegistryName = always(description="As images name it: `docker.io`, `HOST:PORT`; `*` for all others.")
    mirrors: Annotated[tuple[Mirror, ...], Field(max_length=10)] = always(
        (), description="Servers that are asked first, in this order."
    )
    upstream: bool = always(True, description="Whether the registry itself is asked for what no mirror has.")

    @model_validator(mode="after")
    def _can_be_asked(self) -> Registry:
        if not self.upstream and not self.mirrors:
            raise ValueError(_NOTHING_LEFT)
        if self.name == EVERY and (not self.mirrors or self.ca is not None or self.credentials is not None):
            raise ValueError(_ALL_NEED_MIRRORS)
        if len({mirror.url for mirror in self.mirrors}) < len(self.mirrors):
            raise ValueError("two mirrors have the same url")
        return self


Registries = Annotated[tuple[Registry, ...], Field(max_length=20)]


def logins(registries: Registries) -> Iterator[tuple[str, Credentials]]:
    """All logins, each with the server that is shown it."""
    for registry in registries:
        servers = [(registry.name, registry.credentials), *((m.url, m.credentials) for m in registry.mirrors)]
        yield from ((server, login) for server, login in servers if login is not None)
