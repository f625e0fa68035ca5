"""Access tokens: where they come from, how long one is kept, and what is done where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import google.auth
import httpx
import pytest
from google.auth import exceptions

from badge_bridge.errors import GoogleError
from badge_bridge.gcp.rest import GoogleApi
from badge_bridge.gcp.tokens import EARLY, TokenSource, access_tokens

Answer = httpx.Response | httpx.TransportError


def fresh(token: str, seconds: float = 3600) -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "expires_in": seconds, "token_type": "Bearer"})


class Metadata:
    """A metadata server that gives these answers, one after the other."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Callable[[Metadata], TokenSource]:
    """The tokens of a function on Cloud Run."""
    monkeypatch.setenv("K_SERVICE", "receive")
    return lambda metadata: access_tokens(transport=httpx.MockTransport(metadata))


async def test_one_token_serves_all_until_shortly_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask while there is none wait for the same one."""
    monkeypatch.setenv("K_SERVICE", "receive")
    now = 1000.0
    metadata = Metadata(fresh("a"), fresh("b"))
    token = access_tokens(transport=httpx.MockTransport(metadata), monotonic=lambda: now)

    assert await asyncio.gather(*(token("") for _ in range(9))) == ["a"] * 9
    (request,) = metadata.asked
    assert request.headers["Metadata-Flavor"] == "Google"
    now += 3600 - EARLY - 1
    assert await token("") == "a"
    now += 2
    assert await token("") == "b"


async def test_token_is_renewed_once_when_it_was_rejected(source: Callable[[Metadata], TokenSource]) -> None:
    """Several calls that were refused with the same token make one new one."""
    token = source(Metadata(fresh("a"), fresh("b")))
    assert await token("") == "a"
    assert [await token("a"), await token("a"), await token("")] == ["b"] * 3


@pytest.mark.parametrize(
    "answer",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.Response(503), httpx.Response(429)],
    ids=["unreachable", "slow", "503", "429"],
)
async def test_server_that_is_away_for_a_moment_is_told_as_that(
    source: Callable[[Metadata], TokenSource], answer: Answer
) -> None:
    """Whoever has a delivery to store tries again, and the next answer is taken."""
    token = source(Metadata(answer, fresh("a")))
    with pytest.raises(GoogleError) as caught:
        await token("")
    assert caught.value.status == "UNAVAILABLE"
    assert await token("") == "a"


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(404, text="no such account"), httpx.Response(200, text="<html>"), httpx.Response(200, json=[])],
    ids=["no account", "no JSON", "no token"],
)
async def test_server_that_has_no_token_is_told_as_that(
    source: Callable[[Metadata], TokenSource], answer: Answer
) -> None:
    """Trying again would not help."""
    with pytest.raises(GoogleError, match="metadata server") as caught:
        await source(Metadata(answer))("")
    assert caught.value.status == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (exceptions.TransportError("away"), "UNAVAILABLE"),  # type: ignore[no-untyped-call]
        (exceptions.RefreshError("busy", retryable=True), "UNAVAILABLE"),  # type: ignore[no-untyped-call]
        (exceptions.DefaultCredentialsError("none"), "UNAUTHENTICATED"),  # type: ignore[no-untyped-call]
    ],
    ids=["away", "busy", "none"],
)
async def test_default_credentials_are_told_apart_from_a_network_that_is_away(
    error: Exception, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only who has none is told how to make some."""

    def fail(*, scopes: Sequence[str]) -> None:
        assert scopes
        raise error

    monkeypatch.delenv("K_SERVICE", raising=False)
    monkeypatch.setattr(google.auth, "default", fail)
    with pytest.raises(GoogleError) as caught:
        await access_tokens()("")
    assert caught.value.status == status
    assert ("gcloud auth" in str(caught.value)) is (status == "UNAUTHENTICATED")


@pytest.mark.parametrize(("good", "statuses"), [("b", [401, 200]), ("c", [401, 401])], ids=["renewed", "never good"])
async def test_call_is_made_once_more_with_another_token_when_its_token_was_rejected(
    source: Callable[[Metadata], TokenSource], good: str, statuses: list[int]
) -> None:
    """A token may be withdrawn before its time; a second refusal is the answer."""
    answered: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        is_good = request.headers["Authorization"] == f"Bearer {good}"
        answered.append(200 if is_good else 401)
        return httpx.Response(answered[-1], json={} if is_good else {"error": {"status": "UNAUTHENTICATED"}})

    api = GoogleApi(
        "https://example.com", tokens=source(Metadata(fresh("a"), fresh("b"))), transport=httpx.MockTransport(answer)
    )
    try:
        if statuses[-1] == 200:
            assert await api.call("GET", "/") == {}
        else:
            with pytest.raises(GoogleError, match="UNAUTHENTICATED"):
                await api.call("GET", "/")
    finally:
        await api.close()
    assert answered == statuses
