"""References to secrets in Google's Secret Manager, as settings and rules files write them.

sm://NAME                              in the project of GOOGLE_CLOUD_PROJECT
sm://NAME/VERSION                      a number, `latest`, or an alias
sm://projects/PROJECT/secrets/NAME     in another project
sm://projects/PROJECT/secrets/NAME/versions/VERSION
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FORMS", "PREFIX", "SECRET_PATTERN", "SecretReference", "parse"]

PREFIX = "sm://"

# Secret Manager docs, projects.secrets.create: at most 255 letters, digits, - and _. Aliases are like that too.
_NAME = r"[A-Za-z0-9_-]{1,255}"
_PROJECT = r"[A-Za-z0-9][A-Za-z0-9.:-]{0,62}"

SECRET_PATTERN = rf"sm://(?:projects/{_PROJECT}/secrets/{_NAME}(?:/versions/{_NAME})?|{_NAME}(?:/{_NAME})?)"
"""How a reference is written, as a regular expression."""

FORMS = "sm://NAME, sm://NAME/VERSION or sm://projects/PROJECT/secrets/NAME[/versions/VERSION]"

_REFERENCE = re.compile(
    rf"sm://(?:projects/(?P<project>{_PROJECT})/secrets/(?P<name>{_NAME})(?:/versions/(?P<version>{_NAME}))?"
    rf"|(?P<short>{_NAME})(?:/(?P<short_version>{_NAME}))?)"
)


@dataclass(frozen=True, slots=True)
class SecretReference:
    """`project` is empty for that of GOOGLE_CLOUD_PROJECT; `version` is empty for all enabled ones."""

    project: str
    name: str
    version: str


def parse(text: str) -> SecretReference | None:
    """None for what is no reference."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return None
    version = found["version"] or found["short_version"] or ""
    return SecretReference(found["project"] or "", found["name"] or found["short"], version)
