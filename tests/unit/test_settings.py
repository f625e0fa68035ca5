"""The process environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.settings import Settings


def test_settings_have_defaults_when_nothing_is_set() -> None:
    """An empty environment gives the documented defaults."""
    settings = Settings.from_environ({})
    assert settings.rules == Path("rules.yaml")
    assert settings.state == "sqlite:///badge-bridge.db"
    assert (settings.log_format, settings.log_level, settings.show_phone_numbers) == (None, "INFO", False)
    assert settings.concurrency == 256


def test_empty_variable_counts_as_unset() -> None:
    """A variable that is set to nothing, as container files often do, means its default."""
    assert Settings.from_environ({"RULES": "", "LOG_LEVEL": " "}) == Settings.from_environ({})


def test_settings_are_read_when_given() -> None:
    """Every variable changes its setting, upper or lower case where the case means nothing."""
    settings = Settings.from_environ(
        {
            "RULES": "a.yaml",
            "STATE": "memory:",
            "LOG_FORMAT": "GCP",
            "LOG_LEVEL": "debug",
            "SHOW_PHONE_NUMBERS": "Yes",
            "CONCURRENCY": "8",
        }
    )
    assert settings == Settings(Path("a.yaml"), "memory:", "gcp", "DEBUG", show_phone_numbers=True, concurrency=8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("SHOW_PHONE_NUMBERS", "maybe"),
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "many"),
        ("CONCURRENCY", "٣"),
        ("CONCURRENCY", "99999999999999999999"),
    ],
)
def test_setting_that_cannot_be_understood_is_named(name: str, value: str) -> None:
    """The error names the variable, what it holds and what it may hold."""
    with pytest.raises(SettingsError, match=rf"^{name} is '{value}'; it m"):
        Settings.from_environ({name: value})
