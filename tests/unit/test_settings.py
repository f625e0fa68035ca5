"""The process environment."""

from __future__ import annotations

import pytest

from badge_bridge.errors import SettingsError
from badge_bridge.settings import Address, Settings


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
    ],
)
def test_setting_that_cannot_be_understood_is_named(name: str, value: str) -> None:
    """The error names the variable, what it holds and what it may hold."""
    with pytest.raises(SettingsError, match=rf"^{name} is '{value}'; it m"):
        Settings.from_environ({name: value})


@pytest.mark.parametrize("name", ["LOG_LEVEL", "LOG_FORMAT", "CONCURRENCY", "INVOKERS"])
@pytest.mark.parametrize("value", ["whsec_MDEyMzQ1Njc4OWFiY2RlZg", "redis://u:pw@db @x", "x?token=pw"])
def test_setting_that_may_hold_a_secret_is_not_repeated(name: str, value: str) -> None:
    """A token, or an address with one, that stands under the wrong name does not end up in a log."""
    given = {"INVOKERS": "push@a.com", "INVOKER_AUDIENCE": "https://a", name: value}
    with pytest.raises(SettingsError, match=f"^{name}.* a text of {len(value)} characters") as caught:
        Settings.from_environ(given)
    assert value not in str(caught.value)


def test_invokers_are_read_when_their_audience_is_given() -> None:
    """The addresses are a list, without blanks and in one case."""
    settings = Settings.from_environ(
        {
            "INVOKERS": "Push@a.iam.gserviceaccount.com, cron@a.iam.gserviceaccount.com",
            "INVOKER_AUDIENCE": "https://a",
        }
    )
    assert settings.invokers == ("push@a.iam.gserviceaccount.com", "cron@a.iam.gserviceaccount.com")
    assert settings.invoker_audience == "https://a"


@pytest.mark.parametrize("given", [{"INVOKERS": "push@a.com"}, {"INVOKER_AUDIENCE": "https://a"}])
def test_invokers_and_their_audience_belong_together(given: dict[str, str]) -> None:
    """A token for somebody else would pass without an audience, and an audience alone checks nothing."""
    with pytest.raises(SettingsError, match="set both or neither"):
        Settings.from_environ(given)


def test_invoker_that_is_no_address_is_named() -> None:
    """The e-mail address is what a token says, not the account's short name."""
    with pytest.raises(SettingsError, match="INVOKERS: 'push'"):
        Settings.from_environ({"INVOKERS": "a@b.c, push", "INVOKER_AUDIENCE": "https://a"})


def test_encryption_keys_may_be_references() -> None:
    """They are kept as they are until they are read; one that can be none is told at once, with its place."""
    key = "A" * 43 + "="
    assert Settings.from_environ({"ENCRYPTION_KEY": f"sm://key/2, {key}"}).encryption_keys == ("sm://key/2", key)
    with pytest.raises(SettingsError, match="ENCRYPTION_KEY: key 2 of 2 is no reference to a secret"):
        Settings.from_environ({"ENCRYPTION_KEY": f"{key},sm://key/2/3"})


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Address("127.0.0.1", 8081)),
        ("10.0.0.7:9090", Address("10.0.0.7", 9090)),
        ("[::1]:0", Address("::1", 0)),
        ("admin.internal:65535", Address("admin.internal", 65_535)),
        ("same", "same"),
        ("off", None),
    ],
)
def test_place_of_the_pages_for_operators_is_read_when_given(text: str, meant: object) -> None:
    """An address, beside the deliveries, or nowhere."""
    assert Settings.from_environ({"ADMIN": text}).admin == meant


@pytest.mark.parametrize(
    "text", ["8081", ":8081", "127.0.0.1", "127.0.0.1:65536", "::1:8081", "http://a:1", "on", "a b:1"]
)
def test_place_that_is_none_is_named(text: str) -> None:
    """What is no address is refused with its forms."""
    with pytest.raises(SettingsError, match=r"^ADMIN is .*HOST:PORT"):
        Settings.from_environ({"ADMIN": text})


def test_address_of_the_console_is_read_when_given() -> None:
    """As browsers write it, without a path."""
    assert Settings.from_environ({"ADMIN_URL": "https://Admin.acme.com/"}).admin_url == "https://admin.acme.com"
    for text in ("admin.acme.com", "https://acme.com/admin", "ftp://a", "https://u@a"):
        with pytest.raises(SettingsError, match=r"^ADMIN_URL is "):
            Settings.from_environ({"ADMIN_URL": text})


@pytest.mark.parametrize("token", ["short", "with a blank in between", "ümlaut-ümlaut-ümlaut"])
def test_metrics_token_that_is_weak_is_refused_and_not_repeated(token: str) -> None:
    """A token that could be guessed, or not be sent, is an error that does not show it."""
    with pytest.raises(SettingsError, match=r"^METRICS_TOKEN must") as caught:
        Settings.from_environ({"METRICS_TOKEN": token})
    assert token not in str(caught.value)
