"""How secrets in Secret Manager are referred to."""

from __future__ import annotations

import re

import pytest

from badge_bridge.secret_references import SECRET_PATTERN, SecretReference, parse


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("sm://twilio", SecretReference("", "twilio", "")),
        ("sm://TWILIO_auth-1", SecretReference("", "TWILIO_auth-1", "")),
        ("sm://twilio/3", SecretReference("", "twilio", "3")),
        ("sm://twilio/latest", SecretReference("", "twilio", "latest")),
        ("sm://projects/3", SecretReference("", "projects", "3")),
        ("sm://projects/acme-1/secrets/twilio", SecretReference("acme-1", "twilio", "")),
        (
            "sm://projects/example.com:acme/secrets/twilio/versions/7",
            SecretReference("example.com:acme", "twilio", "7"),
        ),
    ],
)
def test_a_reference_names_project_secret_and_version(text: str, meant: SecretReference) -> None:
    """The short forms leave the project to the environment; without a version all enabled ones are meant."""
    assert parse(text) == meant
    assert re.fullmatch(SECRET_PATTERN, text)


@pytest.mark.parametrize(
    "text",
    [
        "sm://",
        "sm:///twilio",
        "sm://twilio/",
        "sm://twilio/3/4",
        "sm://twi lio",
        "sm://twilio\n",
        "sm://twilio?x=1",
        "sm://../secrets/twilio",
        "sm://projects/acme/secrets/twilio/7",
        "sm://projects/acme/secrets/",
        "sm://projects/acme/locations/eu/secrets/twilio",
        f"sm://{'x' * 256}",
        "SM://twilio",
        "twilio",
        "",
    ],
)
def test_what_is_no_reference_is_none(text: str) -> None:
    """Neither the reader nor the pattern for editors takes it, so that no path of another kind is asked for."""
    assert parse(text) is None
    assert not re.fullmatch(SECRET_PATTERN, text)
