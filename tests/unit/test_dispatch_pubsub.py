"""The Pub/Sub dispatcher: one message for each key, and no failure of its that anybody waits for."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from badge_bridge.dispatch import pubsub as dispatching
from badge_bridge.dispatch.pubsub import PubSubDispatcher, pubsub_dispatcher
from badge_bridge.errors import SettingsError
from badge_bridge.gcp.rest import GoogleApi
from support.pubsub_emulator import PROJECT, PubSub

TOPIC = "projects/acme/topics/events"


def dispatcher(answer: Callable[[httpx.Request], httpx.Response]) -> PubSubDispatcher:
    return PubSubDispatcher(GoogleApi("http://pubsub", tokens=None, transport=httpx.MockTransport(answer)), TOPIC)


class Published:
    """What was published, request by request."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(200, json={"messageIds": ["1"]})

    @property
    def messages(self) -> list[list[dict[str, Any]]]:
        return [json.loads(request.content)["messages"] for request in self.requests]


async def test_keys_of_one_delivery_are_published_together() -> None:
    """One request with a message for each key, which an attribute holds."""
    published = Published()
    await dispatcher(published).wake(["pbx:1", "pbx:2"])
    (request,) = published.requests
    assert (request.method, str(request.url)) == ("POST", f"http://pubsub/v1/{TOPIC}:publish")
    assert published.messages == [[{"attributes": {"key": "pbx:1"}}, {"attributes": {"key": "pbx:2"}}]]


async def test_publishing_is_done_again_when_the_connection_was_lost() -> None:
    """An instance that had nothing to do finds its connections dead; what was refused is not sent again."""
    published, losses = Published(), [httpx.ReadError("gone")]

    def answer(request: httpx.Request) -> httpx.Response:
        response = published(request)
        if losses:
            raise losses.pop()
        return response

    await dispatcher(answer).wake(["pbx:1"])
    assert published.messages == [[{"attributes": {"key": "pbx:1"}}]] * 2

    refused = Published()
    await dispatcher(lambda request: (refused(request), httpx.Response(403, json={}))[1]).wake(["pbx:1"])
    assert len(refused.requests) == 1


async def test_a_look_at_what_is_due_is_asked_for_when_no_key_is_given() -> None:
    """Whoever makes room for others does not know whom."""
    published = Published()
    await dispatcher(published).wake([])
    assert published.messages == [[{"attributes": {"look": "due"}}]]


async def test_more_keys_than_one_request_may_hold_are_published_in_several() -> None:
    """Pub/Sub takes a thousand messages a request."""
    published = Published()
    await dispatcher(published).wake([f"pbx:{number}" for number in range(2001)])
    assert [len(messages) for messages in published.messages] == [1000, 1000, 1]


def refuse(_: httpx.Request) -> httpx.Response:
    return httpx.Response(403, json={"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no right"}})


def break_off(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route")


@pytest.mark.parametrize(("answer", "word"), [(refuse, "PERMISSION_DENIED: no right"), (break_off, "no route")])
async def test_failed_publish_is_told_and_loses_nothing(
    answer: Callable[[httpx.Request], httpx.Response], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The event is stored already, so the provider hears nothing of it; the operator does, and not a thousand times."""
    with caplog.at_level(logging.WARNING):
        dispatched = dispatcher(answer)
        for number in range(100):
            await dispatched.wake([f"pbx:{number}"])
    assert len(caplog.messages) == 5
    assert word in caplog.messages[0]
    assert "sweep will find" in caplog.messages[0]


async def test_publish_without_an_answer_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider does not wait longer for Pub/Sub than is agreed, whatever else takes so long."""
    monkeypatch.setattr(dispatching, "PATIENCE", 0.01)

    class Never(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    async with asyncio.timeout(10):
        await PubSubDispatcher(GoogleApi("http://pubsub", tokens=None, transport=Never()), TOPIC).wake(["pbx:1"])
    assert "no answer within" in caplog.text


@pytest.mark.parametrize(
    "dispatch",
    [
        "pubsub",
        "pubsub://",
        "pubsub://acme-project",
        "pubsub://acme-project/a b",
        "pubsub://acme-project/googled",
        "kafka://a/b",
        "pubsub://Acme/topic",
        "pubsub://acme-project/topic/x",
    ],
)
def test_dispatch_that_cannot_be_understood_is_named(dispatch: str) -> None:
    """The error holds what was given and what may be."""
    with pytest.raises(SettingsError, match=r"it may be local or pubsub://PROJECT/TOPIC"):
        pubsub_dispatcher(dispatch)


def test_local_dispatch_publishes_nothing() -> None:
    """Who receives works."""
    assert pubsub_dispatcher("local") is None


@pytest.mark.slow
async def test_official_client_reads_what_was_published(pubsub: PubSub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's own client is the judge of what our plain REST has put into the topic."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
    topic = pubsub.topic("judged-topic")
    subscription = pubsub.subscription("judged-subscription", topic)
    dispatched = pubsub_dispatcher(f"pubsub://{PROJECT}/judged-topic")
    assert dispatched is not None
    await dispatched.wake(["pbx:1", "pbx:2"])
    await dispatched.wake([])
    await dispatched.close()
    with SubscriberClient() as judge:
        received = judge.pull(subscription=subscription, max_messages=10, timeout=10).received_messages
    told = [(dict(one.message.attributes), one.message.data) for one in received]
    assert sorted(told, key=repr) == [({"key": "pbx:1"}, b""), ({"key": "pbx:2"}, b""), ({"look": "due"}, b"")]
