"""The key by which a delivery that comes again is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pytest

from badge_bridge.events import event_key


@pytest.mark.parametrize(
    "identity",
    [
        ("CA1", "completed"),
        ("one",),
        (),
        ('"quoted", "as two"',),
        ("back\\slash", "line\nend", "\x00", "\x7f"),
        ("Zürich", "漢字", "🎈"),
        ("half a pair \ud800",),
    ],
)
def test_key_is_made_of_the_identity_as_json(identity: Sequence[str]) -> None:
    """Whatever a sender writes, it is what `json` makes of it, so that keys of every version are the same."""
    digest = hashlib.sha256(json.dumps(list(identity)).encode("ascii")).hexdigest()
    assert event_key("pbx", identity) == f"pbx:{digest[:32]}"
