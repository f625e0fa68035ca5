"""The process environment."""

from __future__ import annotations

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.settings import Settings


def test_settings_have_defaults_when_nothing_is_set() -> None:
    """An empty environment gives the documented defaults."""
    settings = Settings.from_environ({})
    assert settings.rules == "rules.yaml"
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
    assert settings == Settings("a.yaml", "memory:", "gcp", "DEBUG", show_phone_numbers=True, concurrency=8)


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
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "1.5"),
    ],
)
def test_setting_that_cannot_be_understood_is_named(name: str, value: str) -> None:
    """The error names the variable, what it holds and what it may hold."""
    with pytest.raises(SettingsError, match=rf"^{name} is '{value}'; it m"):
        Settings.from_environ({name: value})


def test_invokers_are_read_when_their_audience_is_given() -> None:
    """The addresses are a list, without blanks and in one case; the days are a number."""
    settings = Settings.from_environ(
        {
            "INVOKERS": "Push@a.iam.gserviceaccount.com, cron@a.iam.gserviceaccount.com",
            "INVOKER_AUDIENCE": "https://a",
            "RETENTION_DAYS": "30",
        }
    )
    assert settings.invokers == ("push@a.iam.gserviceaccount.com", "cron@a.iam.gserviceaccount.com")
    assert (settings.invoker_audience, settings.retention) == ("https://a", 30 * 86_400)


@pytest.mark.parametrize("given", [{"INVOKERS": "push@a.com"}, {"INVOKER_AUDIENCE": "https://a"}])
def test_invokers_and_their_audience_belong_together(given: dict[str, str]) -> None:
    """A token for somebody else would pass without an audience, and an audience alone checks nothing."""
    with pytest.raises(SettingsError, match="set both or neither"):
        Settings.from_environ(given)


def test_invoker_that_is_no_address_is_named() -> None:
    """The e-mail address is what a token says, not the account's short name."""
    with pytest.raises(SettingsError, match="INVOKERS: 'push'"):
        Settings.from_environ({"INVOKERS": "a@b.c, push", "INVOKER_AUDIENCE": "https://a"})
