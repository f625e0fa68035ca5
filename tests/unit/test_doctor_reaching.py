"""The way to the portal: what the doctor says of names, connections, certificates, foreign answers and clocks."""

from __future__ import annotations

import socket
import ssl

import pytest

from badge_bridge.portal.doctor.network import Heard, Unheard
from support.doctored import HOST, NOW, REST, SECRET, healthy

AFTER_REST = ("clock", "credential", "user", "scopes", "methods", "CRM administrator", "badges", "limits")


def refusal(code: int, message: str = "certificate verify failed") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


async def test_everything_is_well_in_a_healthy_portal() -> None:
    """Nothing fails or warns, and what does not concern the rules is skipped."""
    checks = await healthy().examine()
    assert {name: check.status for name, check in checks.items() if check.status != "ok"} == {
        "application": "skipped",
        "events": "skipped",
        "icons and logos": "skipped",
        "lost calls": "skipped",
    }
    assert checks["certificate"].found == "the certificate is trusted and expires on 2027-01-21, in 60 days"
    assert not any(check.mend for check in checks.values())


@pytest.mark.parametrize(
    ("error", "found", "mend"),
    [
        (socket.gaierror(-2, "Name or service not known"), f"{HOST} is not known here", "Correct the portal's address"),
        (TimeoutError(), f"no answer from {HOST}:443 in time", "a firewall or a missing proxy"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused", "a firewall or a missing proxy"),
    ],
    ids=["name", "silence", "refused"],
)
async def test_a_host_that_cannot_be_reached_ends_the_examination(error: Exception, found: str, mend: str) -> None:
    """The first step says why, all others that they were not looked at, and nothing is sent."""
    patient = healthy()
    patient.network.connecting = error
    first, *others = (await patient.examine()).values()
    assert (first.name, first.status) == ("connection", "failed")
    assert found in first.found
    assert mend in first.mend
    assert "portals.main in the rules file" in first.mend
    assert {(check.status, check.found) for check in others} == {("skipped", "not looked at, since connection failed")}
    assert patient.network.posted == patient.portal.sent == []


@pytest.mark.parametrize(
    ("code", "found", "mend"),
    [
        (10, "has expired", "clock is right"),
        (9, "is not valid yet", "clock is right"),
        (18, "is self-signed", "SSL_CERT_FILE"),
        (20, "does not trust", "SSL_CERT_FILE"),
        (62, "is for another host", "must be the name that the certificate is for"),
        (23, "is not accepted: certificate revoked", "SSL_CERT_FILE"),
    ],
)
async def test_an_untrusted_certificate_is_explained(code: int, found: str, mend: str) -> None:
    """Each reason of OpenSSL that people meet has words and a mend of its own."""
    patient = healthy()
    patient.network.expires = refusal(code, "certificate revoked")
    checks = await patient.examine()
    assert checks["certificate"].status == "failed"
    assert found in checks["certificate"].found
    assert mend in checks["certificate"].mend
    assert checks["REST"].found == "not looked at, since certificate failed"


@pytest.mark.parametrize("error", [ssl.SSLError(1, "WRONG_VERSION_NUMBER"), ConnectionResetError(104, "reset")])
async def test_a_host_that_speaks_no_tls_is_a_failure(error: OSError) -> None:
    """A plain http port behind an https address is told, whichever way it ends."""
    patient = healthy()
    patient.network.expires = error
    assert (await patient.examine())["certificate"].status == "failed"


async def test_a_certificate_that_expires_soon_is_a_warning() -> None:
    """Two weeks before its end, and with its days, while everything goes on."""
    patient = healthy()
    patient.network.expires = NOW + 13.5 * 86400
    checks = await patient.examine()
    assert checks["certificate"].status == "warning"
    assert "in 13 days" in checks["certificate"].found
    assert checks["REST"].status == "ok"


async def test_connection_and_certificate_are_left_to_a_proxy() -> None:
    """Where calls go through a proxy, what this machine could see itself says nothing."""
    patient = healthy()
    patient.network.proxied = "proxy.example.com:3128"
    patient.network.connecting = ConnectionRefusedError()
    patient.network.expires = refusal(20)
    checks = await patient.examine()
    assert (checks["connection"].status, checks["certificate"].status) == ("skipped", "skipped")
    assert "proxy.example.com:3128" in checks["connection"].found
    assert checks["REST"].status == "ok"


async def test_plain_http_has_no_certificate_to_look_at() -> None:
    """A sandbox is asked without TLS."""
    patient = healthy()
    patient.url = "http://127.0.0.1:8090"
    patient.network.expires = refusal(20)
    checks = await patient.examine()
    assert checks["certificate"].status == "skipped"
    assert checks["connection"].found == "127.0.0.1:8090 can be reached"


@pytest.mark.parametrize(
    ("heard", "found", "mend"),
    [
        (Heard(404, b"<html>", "text/html; charset=utf-8"), "HTTP 404 with text/html", "before /rest/"),
        (Heard(200, b"", ""), "HTTP 200 with nothing readable", "before /rest/"),
        (Heard(200, b"[]", "application/json"), "HTTP 200 with application/json", "before /rest/"),
        (Heard(502, b"<html>", "text/html"), "the portal fails: HTTP 502", "Try again in a few minutes"),
        (Unheard("no answer in time"), f"no HTTP answer from {HOST}: no answer in time", "may connect to"),
    ],
)
async def test_what_is_no_rest_is_a_failure(heard: Heard | Exception, found: str, mend: str) -> None:
    """A web page, nothing, and a failing server are told apart; the credential is sent to none of them."""
    patient = healthy()
    patient.network.heard = [heard]
    checks = await patient.examine()
    assert checks["REST"].status == "failed"
    assert found in checks["REST"].found
    assert mend in checks["REST"].mend
    assert {checks[name].status for name in AFTER_REST} == {"skipped"}
    assert patient.network.posted == [(f"https://{HOST}/rest/profile", {})]
    assert patient.portal.sent == []


def renamed_to(origin: str) -> list[Heard | Exception]:
    """What a portal answers that was renamed: once on its old host, from then on as it does in good health."""
    return [Heard(302, b"", location=f"{origin}/rest/profile"), *healthy().network.heard]


@pytest.mark.parametrize(
    ("moved", "trusted"),
    [
        ("https://new.bitrix24.com", ()),
        ("https://crm.example.com:8443", ("crm.example.com:8443",)),
        ("https://crm.example.com", ("CRM.example.com",)),
    ],
)
async def test_a_renamed_portal_is_a_warning_when_calls_follow_it(moved: str, trusted: tuple[str, ...]) -> None:
    """In Bitrix24's cloud, or to a trusted host with its port; what is looked at from then on is the new address."""
    patient = healthy()
    patient.trusted_hosts = trusted
    patient.network.heard = renamed_to(moved)
    checks = await patient.examine()
    assert checks["REST"].status == "warning"
    assert f"it redirects to {moved}, where calls follow it" in checks["REST"].found
    assert f"Write {moved} instead of https://{HOST}" in checks["REST"].mend
    assert {checks[name].status for name in AFTER_REST} == {"ok"}
    asked = [url.partition("/rest/")[0] for url, _ in patient.network.posted]
    assert asked == [f"https://{HOST}", moved, moved]


@pytest.mark.parametrize(
    ("moved", "trusted"),
    [
        ("https://evil.example", ()),
        ("https://crm.example.com:8443", ("crm.example.com",)),
        ("http://new.bitrix24.com", ("new.bitrix24.com",)),
    ],
)
async def test_a_redirect_that_calls_do_not_follow_is_a_failure(moved: str, trusted: tuple[str, ...]) -> None:
    """The host is named with its port, and nothing more is sent."""
    patient = healthy()
    patient.trusted_hosts = trusted
    patient.network.heard = renamed_to(moved)
    check = (await patient.examine())["REST"]
    host = moved.partition("://")[2]
    assert check.status == "failed"
    assert f"{HOST} redirects to {host}, where calls do not follow" in check.found
    assert f"write it instead of {HOST}" in check.mend
    assert "trusted_hosts" in check.mend
    assert len(patient.network.posted) == 1


async def test_a_portal_that_was_renamed_and_does_not_answer_there_is_a_failure() -> None:
    """One redirect is followed, as calls do; what the new host says counts."""
    patient = healthy()
    patient.network.heard = [*renamed_to("https://new.bitrix24.com")[:1], Heard(404, b"<html>", "text/html")]
    assert "HTTP 404" in (await patient.examine())["REST"].found
    patient.network.heard = [*renamed_to("https://new.bitrix24.com")[:1], *renamed_to("https://newer.bitrix24.com")]
    check = (await patient.examine())["REST"]
    assert check.status == "failed"
    assert "new.bitrix24.com redirects to newer.bitrix24.com" in check.found


@pytest.mark.parametrize("location", ["", f"https://{HOST}/login", "https://[::bad/"])
async def test_a_redirect_to_no_other_host_is_a_wrong_address(location: str) -> None:
    """A redirect that leads nowhere else is no renamed portal, and one that cannot be read breaks nothing."""
    patient = healthy()
    patient.network.heard = [Heard(301, b"", location=location)]
    check = (await patient.examine())["REST"]
    assert check.status == "failed"
    assert "to no other host" in check.found


@pytest.mark.parametrize(("ahead", "said"), [(61.0, "61 s ahead of"), (-3600.0, "3600 s behind")])
async def test_a_clock_that_is_off_is_a_warning(ahead: float, said: str) -> None:
    """More than a minute between the clocks is told with its direction, and how to mend it."""
    patient = healthy()
    patient.network.heard[0] = Heard(401, REST, "application/json", date=NOW - ahead)
    check = (await patient.examine())["clock"]
    assert check.status == "warning"
    assert said in check.found
    assert "timedatectl" in check.mend


@pytest.mark.parametrize(("date", "status"), [(NOW - 59, "ok"), (NOW + 60, "ok"), (None, "skipped")])
async def test_clocks_that_agree_are_well(date: float | None, status: str) -> None:
    """Up to a minute is well; an answer without a date tells nothing."""
    patient = healthy()
    patient.network.heard[0] = Heard(401, REST, "application/json", date=date)
    assert (await patient.examine())["clock"].status == status


async def test_what_is_sent_beside_the_client_is_counted() -> None:
    """The portal counts it, so the bridge does."""
    patient = healthy()
    patient.network.heard = renamed_to("https://new.bitrix24.com")
    await patient.examine()
    assert patient.counted == len(patient.network.posted) == 3


async def test_no_check_shows_the_credential() -> None:
    """Whatever goes wrong, the webhook's secret is in no text."""
    patient = healthy()
    patient.network.heard = [Heard(401, REST), Unheard("the connection failed (ConnectError)")]
    shown = str((await patient.examine()).values())
    assert patient.network.posted[1][0] == f"https://{HOST}/rest/1/{SECRET}/crm.activity.badge.get"
    assert SECRET not in shown
