"""Clients of AWS' own services, or of what speaks as they do; their errors in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from installer.core.errors import InfrastructureError

TRUE: Final = frozenset({"true", "1"})
_NOT_REACHED: Final = "is it reached from here, with credentials (AWS_PROFILE, a role, AWS_ACCESS_KEY_ID)?"


def client(service: str, options: Mapping[str, str], *, path_style: bool = False) -> Any:
    """A client; `options` are the parameters of a URL: region, endpoint, profile, disableSSL.

    Raises InfrastructureError for what cannot be used. Credentials are found as by all of AWS' tools.
    """
    plain = options.get("disableSSL") in TRUE or options.get("disable_https") in TRUE
    endpoint = options.get("endpoint", "")
    if endpoint and "://" not in endpoint:
        endpoint = f"{'http' if plain else 'https'}://{endpoint}"
    try:
        session = botocore.session.Session(profile=options.get("profile"))
        return session.create_client(
            service,
            region_name=options.get("region"),
            endpoint_url=endpoint or None,
            use_ssl=not plain,
            config=Config(
                s3={"addressing_style": "path" if path_style or endpoint else "auto"},
                # Trailing checksums are not known to every store that calls itself compatible.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard"},
                connect_timeout=10,
                read_timeout=30,
            ),
        )
    except (BotoCoreError, ValueError) as exc:
        raise InfrastructureError(f"{service}: the URL or profile cannot be used", cause=str(exc)) from exc


@contextmanager
def told(doing: str, hints: Mapping[str, str], hint: str) -> Iterator[None]:
    """Errors of a client in our words; `hints` by AWS' code, `hint` for any other."""
    try:
        yield
    except ClientError as exc:
        raise InfrastructureError(
            f"cannot {doing}: {code(exc)}",
            cause=exc.response["Error"].get("Message", ""),
            hint=hints.get(code(exc), hint),
        ) from exc
    except BotoCoreError as exc:
        raise InfrastructureError(f"cannot {doing}", cause=str(exc), hint=_NOT_REACHED) from exc


def code(exc: ClientError) -> str:
    """AWS' name of an error."""
    return str(exc.response["Error"].get("Code", ""))
