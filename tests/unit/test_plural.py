"""Several things in one sentence."""

from __future__ import annotations

import pytest

from badge_bridge.plural import either, named


@pytest.mark.parametrize(
    ("things", "said"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c", "d"], "a, b, c or d")]
)
def test_of_several_things_the_last_one_follows_an_or(things: list[str], said: str) -> None:
    """Commas stand between the others."""
    assert either(things) == said


@pytest.mark.parametrize(
    ("what", "ids", "said"),
    [
        ("deal", [41], "deal 41"),
        ("company", [6, 8], "companies 6, 8"),
        ("deal", [5, 4, 3, 2, 1, 0], "deals 5, 4, 3, 2, 1, ..."),
    ],
)
def test_ids_follow_what_they_are_ids_of(what: str, ids: list[int], said: str) -> None:
    """Of many only the first ones are listed."""
    assert named(what, ids) == said
