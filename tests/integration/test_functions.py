"""The functions together: receive -> Pub/Sub -> process -> portal, and sweep, each as Google's framework serves it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from badge_bridge.portal.oauth import new_key
from badge_bridge.sandbox.seed import APPLICATION_SECRET
from badge_bridge.store import open_store
from badge_bridge.store.firestore import FirestoreStore
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.store.wanted import Wanted
from support.cloud import ANNA, BY_APPLICATION, Cloud, missed
from support.deliveries import twilio
from support.programs import sandbox, send, until
from support.pubsub_emulator import PROJECT, PubSub
from support.stores import project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["firestore", "sqlite"])
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pubsub: PubSub) -> Iterator[Cloud]:
    """A store, a topic and a portal, and no function yet."""
    folder = tmp_path_factory.mktemp("cloud")
    with ExitStack() as stack:
        portal, webhook = stack.enter_context(sandbox())
        state, settings = f"sqlite:///{folder / 'state.db'}", {}
        if request.param == "firestore":
            state = f"firestore://{project(folder)}"
            settings["FIRESTORE_EMULATOR_HOST"] = request.getfixturevalue("firestore_host")
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("FIRESTORE_EMULATOR_HOST", settings["FIRESTORE_EMULATOR_HOST"])
        cloud = Cloud(stack, folder, pubsub, portal, webhook, state=state, settings=settings)
        pubsub.topic(cloud.name)
        yield cloud


@pytest.fixture(scope="module")
def receive(cloud: Cloud) -> str:
    return cloud.function("receive")


@pytest.fixture(scope="module")
def process(cloud: Cloud) -> str:
    """The function that the messages of the topic are pushed to; what it refuses ends on `dead`."""
    url = cloud.function("process")
    dead = cloud.pubsub.topic(f"{cloud.name}-dead")
    cloud.pubsub.subscription(f"{cloud.name}-dead", dead)
    cloud.push_to(url, name="push", dead_topic=dead)
    # Here and not in its test, since the emulator takes ten seconds to give up on it.
    cloud.pubsub.publish(cloud.topic, colour="red")
    return url


@pytest.fixture(scope="module")
def second(cloud: Cloud, process: str) -> str:
    """Another instance of `process`, to which every message is pushed as well."""
    url = cloud.function("process", name="second")
    cloud.push_to(url, name="second")
    return url


@pytest.fixture(scope="module")
def deaf(cloud: Cloud) -> str:
    """A `receive` whose messages go nowhere."""
    return cloud.function("receive", name="deaf", PUBSUB_EMULATOR_HOST="127.0.0.1:9")


@pytest.fixture(scope="module")
def sweep(cloud: Cloud) -> str:
    return cloud.function("sweep", PUBSUB_EMULATOR_HOST="127.0.0.1:9")


def test_missed_call_becomes_a_badge_when_a_delivery_was_received(cloud: Cloud, receive: str, process: str) -> None:
    """Stored by one function, pushed to another by Pub/Sub, and put on the card once."""
    assert send(receive, missed("call-1")).status_code == 204
    event = cloud.ended("call-1")
    assert event.attempts == 1
    assert len(cloud.activities("call-1")) == 1


def test_lost_publish_is_found_when_the_sweep_comes(cloud: Cloud, deaf: str, sweep: str) -> None:
    """A delivery of which Pub/Sub never heard is answered all the same, and worked on by the sweep itself."""
    assert send(deaf, missed("call-unheard")).status_code == 204
    waiting = cloud.event("call-unheard")
    assert waiting is not None
    assert waiting.state == "waiting"
    answer = httpx.post(sweep, trust_env=False, timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"attempts": 1, "nothing_left": True})
    cloud.ended("call-unheard")
    assert len(cloud.activities("call-unheard")) == 1
    assert httpx.post(sweep, trust_env=False, timeout=60).json() == {"attempts": 0, "nothing_left": True}


def test_call_of_legs_is_judged_in_time_when_its_end_comes_later(cloud: Cloud, receive: str, process: str) -> None:
    """The leg that waits for the call was told of when its end was hours away; no sweep comes here, and none is needed."""
    assert send(receive, twilio("CA-legs", status="ringing", caller=ANNA)).status_code == 200
    assert send(receive, twilio("CA-legs", status="no-answer", caller=ANNA)).status_code == 200

    def judged() -> list[StoredEvent]:
        found = [one for one in cloud.events() if one.event.source == "reception" and one.event.type == "call.missed"]
        return [one for one in found if one.state == "done"]

    (judgement,) = until(judged, what="the judgement of the call, and its badge")
    assert judgement.event.caller == ANNA


@pytest.mark.usefixtures("process", "second")
def test_two_messages_side_by_side_make_one_activity(cloud: Cloud, deaf: str) -> None:
    """Pub/Sub delivers at least once, and perhaps to two instances at the same moment: the lease decides."""
    calls = [f"call-twice-{number}" for number in range(10)]
    for call in calls:
        assert send(deaf, missed(call)).status_code == 204
    for stored in cloud.events():
        if stored.event.id in calls:
            cloud.pubsub.publish(cloud.topic, key=stored.key)
    for call in calls:
        assert cloud.ended(call).attempts == 1
        assert len(cloud.activities(call)) == 1


@pytest.fixture
def small(tmp_path: Path, cloud: Cloud) -> Iterator[Cloud]:
    """A deployment of its own, whose functions may be killed, and whose `process` is in the middle of an attempt."""
    is_firestore = cloud.state.startswith("firestore:")
    state = f"firestore://{project(tmp_path)}" if is_firestore else f"sqlite:///{tmp_path / 'state.db'}"
    with ExitStack() as stack:
        own = replace(cloud, stack=stack, folder=tmp_path, state=state, running={})
        cloud.pubsub.topic(own.name)
        receive, process = own.function("receive"), own.function("process")
        own.push_to(process, name="push")
        own.fault("crm.activity.badge.get", "timeout-before")
        assert send(receive, missed("call-held")).status_code == 204
        until(lambda: not own.faults(), what="the attempt in the middle of which it ends")
        own.running["receive"].stop()
        yield own


def test_message_comes_again_when_its_worker_is_killed(small: Cloud) -> None:
    """A kill -9 in the middle of an attempt: Pub/Sub sends the message to the next worker, which makes the only activity."""
    before = len(small.on_cards())
    os.kill(small.worker("process"), signal.SIGKILL)
    if small.state.startswith("firestore:"):
        # Who comes next cannot know that the holder of the lease is gone. It takes 90 s to run out, or this.
        asyncio.run(_end_leases(small))
        # The message may have come again before that, and then it is the sweep's.
        httpx.post(small.function("sweep"), trust_env=False, timeout=60).raise_for_status()
    # The portal is asked and not the store: while that is open here, nobody can know that all others are gone.
    until(lambda: len(small.on_cards()) > before, what="the activity of the second attempt")
    event = small.ended("call-held")
    assert [attempt.result for attempt in event.history] == ["lost", "done"]
    assert len(small.activities("call-held")) == 1


async def _end_leases(cloud: Cloud) -> None:
    """Let the time pass after which the leases of today are over."""
    store = open_store(cloud.state)
    assert isinstance(store, FirestoreStore)
    await store.open()
    working = (await store.list(Wanted(state="working"))).events
    for event in working:
        await (await store._loaded()).rows.reference(event.key).update({"leased_until": time.time()})
    await store.close()
    assert working


def test_attempt_is_given_back_when_its_function_is_stopped(cloud: Cloud, deaf: str, second: str) -> None:
    """SIGTERM, as before an instance is taken away: the event is due again at once, and the attempt is no failure."""
    assert send(deaf, missed("call-stopped")).status_code == 204
    stored = cloud.event("call-stopped")
    assert stored is not None
    cloud.fault("*", "timeout-before")
    push = {"message": {"attributes": {"key": stored.key}, "messageId": "1"}, "subscription": "by hand"}
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, second, json=push, trust_env=False, timeout=60)
        until(lambda: not cloud.faults(), what="the attempt in the middle of which it is stopped")
        cloud.running["second"].stop()
        assert answer.result().status_code == 503
    event = cloud.event("call-stopped")
    assert event is not None
    assert (event.state, event.failures, [one.result for one in event.history]) == ("waiting", 0, ["given back"])


def test_application_is_installed_by_the_function_for_it(cloud: Cloud) -> None:
    """`install` takes what the portal posts, and nothing else."""
    url = cloud.function("install", rules=BY_APPLICATION, PORTAL_TOKEN=APPLICATION_SECRET, ENCRYPTION_KEY=new_key())
    order = {"url": f"{url}/install"}
    httpx.post(f"{cloud.portal}/_sandbox/install", json=order, trust_env=False).raise_for_status()
    cloud.running["install"].find("portal main: the application is installed")
    assert send(url, missed("call-elsewhere")).status_code == 404
    assert httpx.get(f"{url}/install", trust_env=False).status_code == 401


def test_console_shows_what_the_other_functions_have_stored(cloud: Cloud, deaf: str) -> None:
    """An operator reads the same store."""
    assert send(deaf, missed("call-shown")).status_code == 204
    url = cloud.function("console")
    listed = httpx.get(
        f"{url}/console/api/v1/events.json", params={"source": "pbx", "limit": 1}, trust_env=False
    ).json()
    (event,) = listed["events"]
    shown = httpx.get(f"{url}/console/api/v1/events/{event['key']}.json", trust_env=False).json()
    assert shown["event"]["id"] == "call-shown"
    now = httpx.get(f"{url}/console/api/v1/now.json", trust_env=False).raise_for_status().json()
    assert sum(now["hour"].values()) >= 1
    assert (now["live"], now["portals"][0]["answers"]) == (False, None)
    judged = httpx.get(f"{url}/console/api/v1/try.json", params={"event": event["key"]}, trust_env=False).json()
    assert judged["judgement"]["stored"]["key"] == event["key"]
    for page in ("/console", "/console/try", "/console/badges?check=1"):
        shown = httpx.get(f"{url}{page}", headers={"Accept": "text/html"}, trust_env=False)
        assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8"), shown.text


@pytest.mark.usefixtures("process")
def test_poison_message_ends_where_somebody_finds_it(cloud: Cloud) -> None:
    """What is no message of ours is refused each time, so that Pub/Sub puts it aside; the log says what it was."""
    dead = f"projects/{PROJECT}/subscriptions/{cloud.name}-dead"
    (message,) = until(lambda: cloud.pubsub.pull(dead), what="the message on the dead-letter topic")
    assert message["attributes"]["colour"] == "red"
    cloud.running["process"].find(r"a push was refused: message \d+ has neither the attribute key nor look=due")
