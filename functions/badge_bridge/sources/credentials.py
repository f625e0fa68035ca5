"""The secrets of a source as the rules file gives them. They never show in a repr or an error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

__all__ = ["Secrets", "is_resolved", "keys"]

_PLACEHOLDER = re.compile(r"\$\{\w+\}")


def _filled(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("this secret is empty; give it a value")
    return secret


Secrets = Annotated[
    list[Annotated[SecretStr, AfterValidator(_filled)]],
    Field(
        min_length=1,
        description='The secrets of this source, such as ["${NAME}"]. Any may match, so that they can be rotated.',
    ),
]


def is_resolved(secret: SecretStr) -> bool:
    """Whether this is a secret, and not still its name: a rules file can be checked where the secrets are not known."""
    return _PLACEHOLDER.fullmatch(secret.get_secret_value()) is None


def keys(secrets: Sequence[SecretStr]) -> tuple[bytes, ...]:
    """The secrets as bytes, for schemes that take their text as the key."""
    return tuple(secret.get_secret_value().encode() for secret in secrets)
