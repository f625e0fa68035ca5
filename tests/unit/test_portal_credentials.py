"""What a credential accepts, sends and shows."""

from __future__ import annotations

import pytest

from badge_bridge.portal import AccessToken, InboundWebhook

WEBHOOK = "https://acme.bitrix24.com/rest/7/s3cr3tw0rd/"


def test_a_webhook_posts_to_its_url_and_the_method_when_called() -> None:
    """A webhook's secret is in the path, and its body holds nothing but the parameters."""
    credential = InboundWebhook(WEBHOOK)
    assert credential.address("crm.activity.badge.get") == f"{WEBHOOK}crm.activity.badge.get"
    assert credential.body({"code": "bb"}) == {"code": "bb"}


def test_a_webhook_works_the_same_when_its_url_has_no_slash_at_the_end() -> None:
    """The final slash may be left out."""
    assert InboundWebhook(WEBHOOK.rstrip("/")).address("profile") == f"{WEBHOOK}profile"


def test_an_access_token_travels_in_the_body_when_called() -> None:
    """The token is `auth` in the JSON body and not in the address."""
    credential = AccessToken("https://acme.bitrix24.com", "t0k3n")
    assert credential.address("profile") == "https://acme.bitrix24.com/rest/profile"
    assert credential.body({"code": "bb"}) == {"code": "bb", "auth": "t0k3n"}


@pytest.mark.parametrize("show", [repr, str, "{}".format])
@pytest.mark.parametrize(
    "credential", [InboundWebhook(WEBHOOK), AccessToken("https://acme.bitrix24.com", "s3cr3tw0rd")]
)
def test_a_credential_hides_its_secret_when_shown(credential: object, show: object) -> None:
    """Printing a credential shows the portal and never the secret."""
    assert callable(show)
    assert "acme.bitrix24.com" in show(credential)
    assert "s3cr3tw0rd" not in show(credential)


@pytest.mark.parametrize("credential", [InboundWebhook(WEBHOOK), AccessToken("https://acme.bitrix24.com", "t0k3n")])
def test_a_credential_stays_as_it_is_when_assigned_to(credential: InboundWebhook | AccessToken) -> None:
    """Credentials are immutable."""
    with pytest.raises(AttributeError):
        credential.url = "https://evil.example/"  # type: ignore[misc]


@pytest.mark.parametrize("url", ["http://acme.bitrix24.com/rest/7/s3cr3tw0rd/", f"{WEBHOOK}profile", "s3cr3tw0rd"])
def test_a_webhook_is_refused_without_being_repeated_when_its_url_is_wrong(url: str) -> None:
    """There is no credential with a URL that calls must not be sent to, and the message does not show it."""
    with pytest.raises(ValueError, match="URL") as caught:
        InboundWebhook(url)
    assert "s3cr3tw0rd" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090"])
def test_plain_http_is_accepted_when_the_portal_is_on_this_machine(host: str) -> None:
    """The sandbox on loopback may be called without TLS."""
    assert InboundWebhook(f"http://{host}/rest/1/abc/").host == host
    assert AccessToken(f"http://{host}", "t").host == host


@pytest.mark.parametrize(
    ("url", "token", "complaint"),
    [
        ("https://acme.bitrix24.com/rest/", "t", "ends after the host name"),
        ("http://acme.bitrix24.com", "t", "must begin with https://"),
        ("https://acme.bitrix24.com", "", "token is empty"),
    ],
)
def test_an_access_token_is_refused_when_something_is_missing_or_too_much(url: str, token: str, complaint: str) -> None:
    """The portal's url is a host only, and there must be a token."""
    with pytest.raises(ValueError, match=complaint):
        AccessToken(url, token)
