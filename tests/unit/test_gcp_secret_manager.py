"""Secrets from Secret Manager: which versions count, and what is said where there are none."""

from __future__ import annotations

import logging

import httpx
import pytest

from badge_bridge.errors import GoogleError
from badge_bridge.gcp.rest import GoogleApi
from badge_bridge.gcp.secret_manager import BASE, MAX_VERSIONS, SecretUnusable, read_secrets
from support.google import TOKEN, FakeGoogle, crc32c

SECRET = "secret twilio of project acme"


async def read(
    google: FakeGoogle, *references: str, project: str = "acme"
) -> dict[str, tuple[str, ...] | SecretUnusable]:
    api = GoogleApi(BASE, tokens=google.google.tokens, transport=google.google.transport)
    try:
        return await read_secrets(references, api, project=project)
    finally:
        await api.close()


async def values(google: FakeGoogle, reference: str = "sm://twilio") -> tuple[str, ...]:
    found = (await read(google, reference))[reference]
    assert isinstance(found, tuple), found
    return found


async def trouble(google: FakeGoogle, reference: str = "sm://twilio", *, project: str = "acme") -> str:
    found = (await read(google, reference, project=project))[reference]
    assert isinstance(found, SecretUnusable), found
    return str(found)


@pytest.fixture
def google() -> FakeGoogle:
    google = FakeGoogle()
    google.add("twilio", "one", "two", "three", "four", "five")
    return google


def test_our_judge_of_checksums_is_right() -> None:
    """RFC 3720, appendix B.4: 32 zero bytes."""
    assert crc32c(bytes(32)) == 0x8A9136AA


async def test_all_enabled_versions_count_newest_first(google: FakeGoogle) -> None:
    """Disabled and destroyed ones do not, and pages are followed, also those on which nothing is enabled."""
    google.disable("twilio", 5)
    google.disable("twilio", 4, "DESTROYED")
    google.disable("twilio", 2)
    assert await values(google) == ("three", "one")
    google.ignores_filter = True
    assert await values(google) == ("three", "one")
    assert not [path for path in google.paths if path.endswith(("/5:access", "/4:access", "/2:access"))]


async def test_a_version_is_the_only_one_when_it_is_named(google: FakeGoogle) -> None:
    """Nothing is listed for it, so that the right to read is enough."""
    google.forbidden.add("list")
    assert await values(google, "sm://twilio/2") == ("two",)
    assert await values(google, "sm://twilio/latest") == ("five",)
    assert await values(google, "sm://projects/acme/secrets/twilio/versions/1") == ("one",)


async def test_only_the_newest_count_when_there_are_many(google: FakeGoogle, caplog: pytest.LogCaptureFixture) -> None:
    """A secret whose old versions nobody disables costs no more requests for ever, and the log says so."""
    google.add("twilio", "six", "seven")
    with caplog.at_level(logging.WARNING, "badge_bridge.start"):
        assert await values(google) == ("seven", "six", "five", "four", "three")
    assert f"{SECRET} has more than {MAX_VERSIONS} enabled versions" in caplog.text
    caplog.clear()
    google.disable("twilio", 1)
    google.disable("twilio", 2)
    assert len(await values(google)) == MAX_VERSIONS
    assert not caplog.records


async def test_a_version_is_left_out_when_it_was_disabled_meanwhile(google: FakeGoogle) -> None:
    """Somebody who disables a version while we start does not keep us from starting."""
    google.disabled_when_listed.add("twilio")
    assert await values(google) == ("four", "three", "two", "one")
    google.secrets["twilio"] = google.secrets["twilio"][:1]
    assert await trouble(google) == f"{SECRET} has no enabled version; add one, or enable one"


async def test_each_request_has_the_token(google: FakeGoogle) -> None:
    """Listing and reading are both done as this process's account."""
    await values(google)
    assert {request.headers["authorization"] for request in google.asked} == {f"Bearer {TOKEN}"}
    assert {request.url.host for request in google.asked} == {"secretmanager.googleapis.com"}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
async def test_one_line_end_is_taken_off(google: FakeGoogle, ending: str) -> None:
    """`echo secret | gcloud secrets versions add` leaves one; a second one is not our business to guess at."""
    google.secrets.clear()
    google.add("twilio", f"one{ending}")
    assert await values(google) == ("one",)
    google.add("other", f"one{ending}{ending}")
    assert "has a line end or another invisible character" in await trouble(google, "sm://other")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfeo\x00n\x00e\x00", "is no UTF-8 text; add a version that is, and disable this one"),
        ("\ufeffone".encode(), "has a line end or another invisible character; add a version without, and disable this one"),
        (b"o\x00ne", "has a line end or another invisible character; add a version without, and disable this one"),
        (b"", "is empty; add a version that is not, and disable this one"),
        (b"\n", "is empty; add a version that is not, and disable this one"),
    ],
)  # fmt: skip
async def test_a_value_that_can_be_no_secret_is_named_by_its_version(
    google: FakeGoogle, data: bytes, said: str
) -> None:
    """What PowerShell or an editor saved is found here and not as a wrong signature; the value is not repeated."""
    google.add("twilio", data)
    assert await trouble(google) == f"version 6 of {SECRET} {said}"


async def test_what_is_not_there_is_named(google: FakeGoogle) -> None:
    """A secret, a version, and enabled versions, each with what to do."""
    assert await trouble(google, "sm://twillio") == (
        "there is no secret twillio of project acme; create it, or correct the name (Secret "
        "[projects/123/secrets/twillio] not found.)"
    )
    assert (await trouble(google, "sm://twilio/9")).startswith(f"there is no version 9 of {SECRET}; create it")
    google.disable("twilio", 3)
    assert await trouble(google, "sm://twilio/3") == (
        f"version 3 of {SECRET} is not enabled (Secret Version [projects/123/secrets/twilio/versions/3] is in DISABLED "
        "state.)"
    )
    for version in range(1, 6):
        google.disable("twilio", version)
    assert await trouble(google) == f"{SECRET} has no enabled version; add one, or enable one"


async def test_a_missing_right_is_named_with_its_role(google: FakeGoogle) -> None:
    """Reading alone needs the accessor's; all versions also need to be listed, which that role does not allow."""
    google.forbidden.add("access")
    assert await trouble(google, "sm://twilio/3") == (
        f"this process may not use {SECRET}; grant its service account roles/secretmanager.secretAccessor, to read it, "
        "on this secret (Permission 'secretmanager.versions.access' denied for resource 'projects/acme/secrets/twilio' "
        "(or it may not exist).)"
    )
    assert "roles/secretmanager.secretAccessor, to read it, on this secret" in await trouble(google)
    google.forbidden.add("list")
    assert "roles/secretmanager.viewer, to list its versions, and roles/secretmanager.secretAccessor" in await trouble(
        google
    )


async def test_the_project_has_to_be_known(google: FakeGoogle) -> None:
    """Without one nothing is asked, unless the reference names it."""
    assert await trouble(google, project="") == (
        "the project of this secret is not known; set GOOGLE_CLOUD_PROJECT, or write sm://projects/PROJECT/secrets/twilio"
    )
    assert not google.asked
    named = "sm://projects/acme/secrets/twilio/versions/1"
    for project in ("", "elsewhere"):
        assert await read(google, named, project=project) == {named: ("one",)}


async def test_troubles_of_one_secret_leave_the_others(google: FakeGoogle) -> None:
    """All are told at once, so that nobody mends them one by one."""
    found = await read(google, "sm://twilio/1", "sm://none", "sm://nobody", "sm://twilio/1")
    assert found.pop("sm://twilio/1") == ("one",)
    assert len(found) == 2
    assert all(isinstance(one, SecretUnusable) for one in found.values())
    assert len([path for path in google.paths if path.endswith(":access")]) == 1


async def test_secret_manager_that_is_away_is_no_mistake_of_the_file(google: FakeGoogle) -> None:
    """It is an error that says which secret was asked for, and may be over soon."""
    google.down = True
    with pytest.raises(
        GoogleError, match="sm://twilio cannot be read from Secret Manager: The service is currently"
    ) as e:
        await read(google, "sm://twilio")
    assert e.value.code == 503


async def test_a_damaged_payload_is_not_taken(google: FakeGoogle) -> None:
    """Its checksum tells, and asking again may help."""
    google.damaged = True
    with pytest.raises(GoogleError, match="damaged on its way"):
        await read(google, "sm://twilio")


@pytest.mark.parametrize(
    "answer", [{}, {"payload": None}, {"payload": {"data": "!"}}, {"payload": {"data": "AA==", "dataCrc32c": "x"}}, []]
)
async def test_an_answer_that_is_none_is_an_error(answer: object) -> None:
    """Such as that of a proxy, or of an emulator that is another one."""

    async def token(_rejected: str) -> str:
        return TOKEN

    api = GoogleApi(BASE, tokens=token, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer)))
    with pytest.raises(GoogleError):
        await read_secrets(["sm://twilio/1"], api, project="acme")
    await api.close()
