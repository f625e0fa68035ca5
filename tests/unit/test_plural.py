"""Several things in one sentence."""

from __future__ import annotations

import pytest

from badge_bridge.plural import either


@pytest.mark.parametrize(
    ("things", "said"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c", "d"], "a, b, c or d")]
)
def test_of_several_things_the_last_one_follows_an_or(things: list[str], said: str) -> None:
    """Commas stand between the others."""
    assert either(things) == said
