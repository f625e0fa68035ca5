"""What is told of two states of a rules file."""

from __future__ import annotations

import pytest

from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.rulesfile.differences import Difference, differences
from badge_bridge.sources import OPTIONS
from support.deliveries import RULES, environ

ON_CARDS = """
portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {client_id: local.1, client_secret: "${SECRET}"}
sources:
  pbx:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${SECRET}"]
    event: {type: body.type, id: body.id}
badges:
  missed: {title: t, value: v, type: failure}
rules:
  - name: missed
    on: call.missed
    when: event.duration < 20
    badge: missed
    attach:
      to: [deal]
      owner: {deal: event.data.deal}
      title: Missed call from {caller}
    clear:
      same: event.data.order
  - name: voicemail
    on: call.voicemail
    badge: missed
"""


def loaded(text: str, **env: str) -> RulesFile:
    given = {"SECRET": "s" * 40, **environ("http://127.0.0.1:9/rest/1/secretsecret/"), **env}
    return parse(text, providers=OPTIONS, environ=given)


@pytest.mark.parametrize("text", [RULES, ON_CARDS])
def test_nothing_differs_when_the_file_was_written_in_another_way(text: str) -> None:
    """Comments and empty lines move every entry, and change none."""
    found = differences(loaded(text), loaded("# a comment\n\n" + text.replace("\nrules:", "\n\n# theirs\nrules:")))
    assert not found
    assert str(found) == "nothing but how it is written"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("event.duration < 20", "event.duration < 21"),
        ("to: [deal]", "to: [deal, lead]"),
        ("event.data.deal", "event.data.deal_id"),
        ("call from {caller}", "call of {caller}"),
        ("event.data.order", "event.data.order_id"),
        ("on: call.missed", "on: [call.missed, call.busy]"),
    ],
)
def test_rule_is_told_when_something_in_it_is_another(old: str, new: str) -> None:
    """Its condition, its card, its texts and what clears it; the other rule is as it was."""
    found = differences(loaded(ON_CARDS), loaded(ON_CARDS.replace(old, new, 1)))
    assert str(found) == "changed rule missed"


def test_everything_is_told_by_its_name() -> None:
    """Added, changed and removed, by kind of entry, in words and as values."""
    after = RULES.replace("  shop:", "  store:").replace("source: shop", "source: store")
    after = after.replace("value: Paid", "value: Payed").replace("call.missed", "call.busy")
    found = differences(loaded(RULES), loaded(after))
    assert str(found) == "added source store; changed badge paid, rules missed call, big order; removed source shop"
    assert found.fields == {
        "added": {"source": ["store"]},
        "changed": {"badge": ["paid"], "rule": ["missed call", "big order"]},
        "removed": {"source": ["shop"]},
    }


def test_source_and_portal_are_told_when_their_secret_is_another() -> None:
    """A new version in Secret Manager changes what is in use, and nothing in the file; the secret is not told."""
    found = differences(loaded(RULES), loaded(RULES, PBX_TOKEN="another-token-of-it"))
    assert found.entries["source"] == Difference(changed=("pbx",))
    assert "another" not in str(found)
    moved = differences(loaded(RULES), loaded(RULES, WEBHOOK="http://127.0.0.1:9/rest/1/anothersecret/"))
    assert str(moved) == "changed portal main"


def test_order_of_the_rules_and_retention_are_told() -> None:
    """Rules are carried out in their order; a rule that comes in between changes the order of none."""
    head, first, second = ON_CARDS.partition("  - name: missed")[0], *ON_CARDS.partition("  - name: missed")[1:]
    missed, _, voicemail = second.partition("  - name: voicemail")
    turned = f"{head}  - name: voicemail{voicemail}{first}{missed}retention: {{events: 30 days}}\n"
    assert str(differences(loaded(ON_CARDS), loaded(turned))) == "changed the order of the rules, the retention"
    between = ON_CARDS.replace("  - name: voicemail", "  - {name: x, on: a.b, badge: missed}\n  - name: voicemail")
    assert str(differences(loaded(ON_CARDS), loaded(between))) == "added rule x"
