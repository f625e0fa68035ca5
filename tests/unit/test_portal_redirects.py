"""Which redirect of a portal is followed: the credential goes along."""

from __future__ import annotations

import pytest

from badge_bridge.portal.redirects import CLOUD_ZONES, new_origin

OLD = "https://acme.bitrix24.com"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://new.bitrix24.com/rest/1/x/profile", "https://new.bitrix24.com"),
        ("https://New.Bitrix24.COM", "https://new.bitrix24.com"),
        ("//new.bitrix24.com/rest/", "https://new.bitrix24.com"),
        ("https://acme.bitrix24.de/", "https://acme.bitrix24.de"),
        ("https://acme.bitrix24.com.br/anything?else#here", "https://acme.bitrix24.com.br"),
    ],
)
def test_a_new_name_in_the_cloud_is_believed_when_the_old_one_was_there(location: str, expected: str) -> None:
    """Only scheme and host of the location count."""
    assert new_origin(OLD, location, trusted_hosts=()) == expected


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/auth/",
        "https://acme.bitrix24.com/login/",
        "https://ACME.bitrix24.com/login/",
        "http://new.bitrix24.com/",
        "http://127.0.0.1/",
        "http://localhost:8090/",
        "https://127.0.0.1/",
        "https://bitrix24.com/",
        "https://a.b.bitrix24.com/",
        "https://.bitrix24.com/",
        "https://new.bitrix24.com.evil.example/",
        "https://new.bitrix24.evil/",
        "https://evilbitrix24.com/",
        "https://evil.example/new.bitrix24.com",
        "https://new.bitrix24.com@evil.example/",
        "https://user:pass@new.bitrix24.com/",
        "https://new.bitrix24.com:8443/",
        "https://new.bitrix24.com\\.evil.example/",
        "https://[bad/",
        "https://a b.bitrix24.com/",
        "javascript:alert(1)",
        "ftp://new.bitrix24.com/",
    ],
)
def test_a_redirect_is_not_followed_when_it_may_lead_to_somebody_else(location: str) -> None:
    """Not to another scheme, another host, a login page or a name that only looks like one of the cloud."""
    assert new_origin(OLD, location, trusted_hosts=()) is None


@pytest.mark.parametrize("old", ["https://crm.acme.co.uk", "https://acme.co.uk", "https://b24.acme.com"])
@pytest.mark.parametrize("location", ["https://evil.co.uk/", "https://new.acme.com/", "https://acme.bitrix24.com/"])
def test_a_portal_outside_the_cloud_is_followed_only_to_hosts_that_the_rules_file_names(
    old: str, location: str
) -> None:
    """A common parent proves nothing, it may be a public suffix; a name in the file does."""
    assert new_origin(old, location, trusted_hosts=()) is None
    host = location.removeprefix("https://").rstrip("/")
    assert new_origin(old, location, trusted_hosts=[host.upper()]) == f"https://{host}"


def test_a_trusted_host_is_not_called_without_encryption() -> None:
    """Trust in a host is not trust in the network."""
    assert new_origin(OLD, "http://crm.acme.com/", trusted_hosts=["crm.acme.com"]) is None


def test_this_machine_may_redirect_to_itself_when_it_is_called_without_encryption_already() -> None:
    """A sandbox that moves to another port."""
    assert new_origin("http://127.0.0.1:8090", "http://localhost:8091/x", trusted_hosts=()) == "http://localhost:8091"
    assert new_origin("https://127.0.0.1:8090", "http://localhost:8091/x", trusted_hosts=()) is None


def test_every_zone_is_a_name_of_the_vendor() -> None:
    """A zone that anybody can register would hand out credentials."""
    assert all(zone.startswith("bitrix24.") and zone == zone.lower() for zone in CLOUD_ZONES)
