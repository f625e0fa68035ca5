"""Which URLs a portal may be reached by."""

from __future__ import annotations

import pytest

from badge_bridge.portal_address import check_portal_url, check_webhook_url, host_of, origin_of

NOT_A_URL = "this is not a URL"
NO_EXTRAS = "no user name, question mark or #"
WEBHOOK = "looks like https://<portal>/rest/<user id>/<secret>/"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://acme.bitrix24.com/rest/7/s3cr3tw0rd/", "must begin with https://"),
        ("ftp://localhost/rest/7/s3cr3tw0rd/", "must begin with https://"),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/profile.json", "without a method's name"),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/profile", "without a method's name"),
        ("https://acme.bitrix24.com/", WEBHOOK),
        ("https://acme.bitrix24.com/rest/me/s3cr3tw0rd/", WEBHOOK),
        ("https://u:p@acme.bitrix24.com/rest/7/s3cr3tw0rd/", NO_EXTRAS),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/?x=1", NO_EXTRAS),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/?", NO_EXTRAS),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/#", NO_EXTRAS),
        ("https://acme.bitrix24.com:port/rest/7/s3cr3tw0rd/", NOT_A_URL),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/\n", NOT_A_URL),
        ("https://acme.bitrix24.com/rest/7/s3cr3tw0rd/ ", NOT_A_URL),
        ("https://[acme/rest/7/s3cr3tw0rd/", NOT_A_URL),
        ("https:///rest/7/s3cr3tw0rd/", NOT_A_URL),
        (f"https://{'a' * 70}.com/rest/7/s3cr3tw0rd/", NOT_A_URL),
        ("https://acme..com/rest/7/s3cr3tw0rd/", NOT_A_URL),
        ("s3cr3tw0rd", NOT_A_URL),
    ],
)
def test_a_webhook_url_is_refused_without_being_repeated_when_it_is_wrong(url: str, complaint: str) -> None:
    """The message says what is wrong and does not show the URL, which is a password."""
    with pytest.raises(ValueError, match=complaint) as caught:
        check_webhook_url(url)
    assert "s3cr3tw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("https://acme.bitrix24.com/rest/", "ends after the host name"),
        ("https://acme.bitrix24.com//", "ends after the host name"),
        ("https://acme.bitrix24.com?", NO_EXTRAS),
        ("https://acme.bitrix24.com/#", NO_EXTRAS),
        ("http://acme.bitrix24.com", "must begin with https://"),
        ("acme.bitrix24.com", NOT_A_URL),
    ],
)
def test_a_portal_url_is_refused_when_it_is_more_or_less_than_a_host(url: str, complaint: str) -> None:
    """Calls are sent to the URL with a method's path behind it, so it must end with the host."""
    with pytest.raises(ValueError, match=complaint):
        check_portal_url(url)


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090"])
def test_plain_http_is_accepted_when_the_portal_is_on_this_machine(host: str) -> None:
    """A sandbox on loopback needs no certificate."""
    check_portal_url(f"http://{host}")
    check_webhook_url(f"http://{host}/rest/1/abc/")


@pytest.mark.parametrize("end", ["", "/"])
def test_a_url_shows_its_portal_when_it_is_right(end: str) -> None:
    """The host is what messages show, the origin is where calls go."""
    portal, webhook = f"https://Acme.bitrix24.com:8443{end}", f"https://Acme.bitrix24.com:8443/rest/7/s3cr3tw0rd{end}"
    check_portal_url(portal)
    check_webhook_url(webhook)
    assert host_of(portal) == host_of(webhook) == "acme.bitrix24.com:8443"
    assert origin_of(portal) == origin_of(webhook) == "https://Acme.bitrix24.com:8443"
