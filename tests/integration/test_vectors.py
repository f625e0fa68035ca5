"""Every published vector, from its request to the answer and the store: none is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from badge_bridge.sources import OPTIONS, PROVIDERS, build
from support.fuzz_run import Surface
from support.provider_checks import ALL_VECTORS, of_vector

COUNT = 50
STANDARD = {"provider": "generic", "verify": {"scheme": "standard-webhooks"}}
OPTIONS_OF: dict[str, dict[str, Any]] = {
    "standard-webhooks": STANDARD,
    "svix": STANDARD,
    "generic-hmac": {
        "provider": "generic",
        "verify": {"scheme": "hmac", "header": "X-Hub-Signature-256", "prefix": "sha256="},
    },
    "generic-bearer": {"provider": "generic", "verify": {"scheme": "bearer"}},
    "cloudevents": {"verify": {"scheme": "bearer"}, "secrets": ["token-0123456789"]},
    "ringcentral": {"secrets": ["rc-verification"]},
}
ANSWERS = {"github-doc-vector": 415, "twilio-form-classic": 422, "twilio-get": 422}
"""What is genuine and still no event: GitHub signs a text that is no JSON, and two of Twilio's are of no call."""
WITHOUT_EVENT = frozenset({"zoom-url-validation", "ringcentral-handshake", *ANSWERS})
NOW = 1_763_778_600.0
AT = {"justcall": 1_711_040_902.0, "sinch": 1_411_556_381.0}
"""When the vectors were made that are of another time."""
PATHS = {"mango": "/events/summary"}


async def sent(vector: dict[str, Any]) -> tuple[int, int]:
    """The status of the answer, and how many events were stored."""
    named = vector["provider"]
    given = {"provider": named, "secrets": [vector["secret"]], **OPTIONS_OF.get(named, {})}
    options = OPTIONS[given["provider"]]
    if "public_url" in options.model_fields and named != "bitrix24":
        given["public_url"] = urlsplit(vector["url"])._replace(query="").geturl()
    if "sharedkey" in vector["id"]:
        given["verify"] = {"algorithm": "sha256"}
    if given["provider"] == "generic":
        told = {"id": "'1'"} if given["verify"]["scheme"] == "bearer" else {}
        given["event"] = {"type": "'published'", **told}
    surface = Surface({"s": build("s", options.model_validate(given))})
    await surface.store.open()
    delivery = replace(of_vector(vector, AT.get(named, NOW)), path=PATHS.get(named, ""))
    if named == "cloudevents":
        delivery = replace(delivery, headers=[*delivery.headers, ("authorization", "Bearer token-0123456789")])
    return await surface.send("s", delivery), len(surface.store._rows)


def test_vectors_are_those_that_were_published() -> None:
    """A vector that is lost, or has the name of another, would be noticed; each is of a provider that there is."""
    assert len(ALL_VECTORS) == len({vector["id"] for vector in ALL_VECTORS}) == COUNT
    named = {OPTIONS_OF.get(vector["provider"], {}).get("provider", vector["provider"]) for vector in ALL_VECTORS}
    assert named <= set(PROVIDERS)


@pytest.mark.parametrize("vector", ALL_VECTORS, ids=lambda vector: vector["id"])
async def test_vector_is_answered_as_published(vector: dict[str, Any]) -> None:
    """What is genuine is answered with 2xx and stored as one event; what is not is 401 and leaves nothing."""
    status, stored = await sent(vector)
    if not vector["valid"]:
        assert (status, stored) == (401, 0)
        return
    assert status == ANSWERS.get(vector["id"], status)
    assert (200 <= status < 300) is (vector["id"] not in ANSWERS)
    assert stored == (vector["id"] not in WITHOUT_EVENT)
