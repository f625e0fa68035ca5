"""The sandbox's answers against samples transcribed from the vendor's documentation, field by field.

Each file in `data/bitrix24` names the documentation page, a request, and the documented answer. `time` has every field
that the page "time" lists; single samples leave out one or the other.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from badge_bridge.sandbox.app import create_app
from badge_bridge.sandbox.portal import SandboxPortal
from badge_bridge.sandbox.seed import ADMINISTRATOR_TOKEN, Badge, default_seed

SAMPLES = Path(__file__).parents[1] / "data" / "bitrix24"
MISSED_CALL = Badge(code="missedCall", title="Call Status", value="Missed", type="failure")


def shape(value: Any) -> Any:
    """Names, nesting and JSON types. Numbers are one type, as in JSON; lists take the shape of their first item."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "string"


async def ask(sample: dict[str, Any], *, badges: tuple[Badge, ...]) -> httpx.Response:
    portal = SandboxPortal(default_seed().model_copy(update={"badges": badges}))
    transport = httpx.ASGITransport(create_app(portal))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        params = {**sample["params"], "auth": ADMINISTRATOR_TOKEN}
        return await client.post(f"/rest/{sample['method']}", json=params)


def load(name: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return sample


@pytest.mark.parametrize(
    "name",
    [
        "badge_add",
        "badge_get",
        "badge_list",
        "badge_delete",
        "badge_not_found",
        "badge_code_taken",
        "profile",
        "scope",
        "method_get",
        "app_info",
    ],
)
async def test_answer_has_the_documented_shape_when_asked_like_the_sample(name: str) -> None:
    """Status, names, nesting and types are those of the documented answer."""
    sample = load(name)
    answer = await ask(sample, badges=() if name == "badge_add" else (MISSED_CALL,))

    assert answer.status_code == sample["status"]
    assert shape(answer.json()) == shape(sample["body"])


@pytest.mark.parametrize(
    "name", ["badge_add", "badge_get", "badge_list", "badge_delete", "badge_not_found", "badge_code_taken"]
)
async def test_badge_answer_equals_the_sample_when_time_is_left_out(name: str) -> None:
    """Everything but the clock is the documented content, word for word."""
    sample = load(name)
    answer = (await ask(sample, badges=() if name == "badge_add" else (MISSED_CALL,))).json()

    assert {**answer, "time": None} == {**sample["body"], "time": None}


def test_every_sample_is_compared_when_a_file_is_added() -> None:
    """A sample that no test reads is noticed."""
    marks = test_answer_has_the_documented_shape_when_asked_like_the_sample.pytestmark  # type: ignore[attr-defined]
    assert sorted(path.stem for path in SAMPLES.glob("*.json")) == sorted(marks[0].args[1])
