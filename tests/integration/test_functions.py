"""The functions together: receive -> Pub/Sub -> process -> portal, and sweep, each as Google's framework serves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.cloud import Cloud, missed
from support.programs import sandbox, send
from support.pubsub_emulator import PubSub
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
