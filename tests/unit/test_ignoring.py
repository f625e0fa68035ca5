"""Why an event was ignored, written and read again."""

from __future__ import annotations

import pytest

from badge_bridge.ignoring import Why, why, why_ignored
from badge_bridge.rulesfile import parse
from badge_bridge.sources import OPTIONS
from support.stores import item

RULES = """
portals: {{main: {{url: https://acme.bitrix24.com, oauth: {{client_id: "${{ID}}", client_secret: "${{SECRET}}"}}}}}}
sources: {{reception: {{provider: zoom, secrets: ["${{TOKEN}}"]}}}}
badges: {{missed: {{title: Call, value: Missed, type: failure}}}}
rules: [{{name: r, badge: missed, attach: {{}}, {rule}}}]
"""


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("on: order.paid", "no rule"),
        ("on: call.missed, when: event.data.total > 1", "not evaluated"),
        ("on: call.missed, when: 'false'", "not true"),
        ("on: call.answered, clear: {on: [call.missed]}", "nothing to clear"),
        ("on: call.missed", None),
    ],
)
def test_kind_of_why_is_read_from_what_was_written(rule: str, expected: Why | None) -> None:
    """Of an event that matched, its outcome is the reason, whatever that is."""
    event = item(type="call.missed").event
    rules = parse(RULES.format(rule=rule), "rules.yaml", providers=OPTIONS, environ=None)
    written = why_ignored(event, rules.judge(event), rules.clearing(event))
    assert why(written) == expected
    assert bool(written) == (expected is not None)
