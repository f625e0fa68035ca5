"""Who may call `process` and `sweep`, and what else they answer before they do anything."""

from __future__ import annotations

import json
import logging
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import Response

from badge_bridge.errors import GoogleError, StoreUnavailable, Unauthenticated
from badge_bridge.gcp.callers import Callers
from badge_bridge.server import handle
from badge_bridge.serverless import console, install, process, sweep
from badge_bridge.serverless.calling import callers_of, platform_call
from badge_bridge.settings import Settings


class Door:
    """Lets in whoever says the word."""

    async def check(self, authorization: str) -> None:
        if authorization == "later":
            raise GoogleError(0, "UNAVAILABLE", "no certificates")
        if authorization != "the word":
            raise Unauthenticated("not the word")


def request(method: str = "POST", authorization: str = "the word") -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "method": method, "path": "/", "headers": headers, "query_string": b""})


class Work:
    def __init__(self, problem: Exception | None = None) -> None:
        self.done = 0
        self.problem = problem

    async def __call__(self) -> Response:
        self.done += 1
        if self.problem is not None:
            raise self.problem
        return Response(status_code=204)


async def call(asked: Request, work: Work, *, door: Any = None) -> Response:
    return await platform_call(asked, cast("Callers | None", door), work)


async def test_work_is_done_when_the_caller_may_call() -> None:
    """With the right token, or where nobody is asked for one."""
    work = Work()
    assert (await call(request(), work, door=Door())).status_code == 204
    assert (await call(request(authorization=""), work)).status_code == 204
    assert work.done == 2


@pytest.mark.parametrize("authorization", ["", "another word"])
async def test_stranger_is_refused_without_a_word(authorization: str, caplog: pytest.LogCaptureFixture) -> None:
    """401 with nothing in it; the reason is for the log, and a flood of strangers does not fill that."""
    work = Work()
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            answer = await call(request(authorization=authorization), work, door=Door())
            assert (answer.status_code, answer.body, work.done) == (401, b"", 0)
    assert len(caplog.messages) <= 10


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_other_methods_do_nothing(method: str) -> None:
    """A browser or a crawler that finds the address starts no work."""
    work = Work()
    answer = await call(request(method), work)
    assert (answer.status_code, answer.headers["allow"], work.done) == (405, "POST", 0)


async def test_call_is_asked_for_again_when_the_store_is_away() -> None:
    """503 is what both callers repeat."""
    assert (await call(request(), Work(StoreUnavailable("away")))).status_code == 503


async def test_call_is_asked_for_again_when_nobody_can_be_judged() -> None:
    """Without Google's certificates nobody is let in, and nobody is turned away for good."""
    work = Work()
    assert (await call(request(authorization="later"), work, door=Door())).status_code == 503
    assert work.done == 0


def test_callers_are_checked_only_where_the_settings_name_them() -> None:
    """The platform's own check is there in any case."""
    assert callers_of(Settings.from_environ({})) is None
    named = {"INVOKERS": "push@acme.iam.gserviceaccount.com", "INVOKER_AUDIENCE": "https://process"}
    assert isinstance(callers_of(Settings.from_environ(named)), Callers)


async def test_process_and_sweep_refuse_strangers() -> None:
    """Both ask who calls before they read anything."""
    door = cast("Callers", Door())
    nothing = cast("Any", None)
    for answer in (
        process._handle(request(authorization=""), process._Processor(nothing, nothing, door)),
        sweep._handle(request(authorization=""), sweep._Sweeper(nothing, door)),
    ):
        assert (await answer).status_code == 401


class Everything:
    """Whatever an entry point opens, with a store that can be used."""

    @property
    def store(self) -> Everything:
        return self

    bridge = store

    async def ping(self) -> None: ...


@pytest.mark.parametrize("path", ["/health", "/healthz"])
@pytest.mark.parametrize(
    "answer", [handle, process._handle, sweep._handle, install._handle, console._handle], ids=lambda one: one.__module__
)
async def test_each_function_has_a_health_page_that_cloud_run_lets_through(answer: Any, path: str) -> None:
    """By a name that the platform leaves to us, beside the one that `serve` has."""
    asked = Request({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""})
    response = await answer(asked, Everything())
    assert (response.status_code, json.loads(response.body)) == (200, {"status": "ok"})
