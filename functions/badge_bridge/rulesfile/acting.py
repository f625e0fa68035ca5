"""What `attach` and `clear` of a rule say about each other and about the rule's portals. Works on the plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from badge_bridge.errors import Finding
from badge_bridge.rulesfile.document import Document, Path
from badge_bridge.rulesfile.model import OWNER_KINDS

__all__ = ["check"]


def check(rule: Mapping[str, Any], path: Path, document: Document, portals: Mapping[str, Any]) -> Iterator[Finding]:
    """The mistakes of one rule at this path, which acts on these portals: entries by their names."""
    attach = rule.get("attach")
    for key in ("attach", "clear"):
        if key in rule and rule[key] is None:
            message = f"nothing stands below '{key}'; write {key}: {{}} for its defaults, or remove it"
            yield document.finding(document.keys[*path, key], message, "wrong-value")
    if "clear" in rule and "attach" not in rule:
        message = (
            "clear takes away what attach has put on a card, and this rule has none; add attach: {}, or remove clear"
        )
        yield document.finding(document.keys[*path, "clear"], message, "contradiction")
    if not isinstance(attach, dict):
        return
    yield from _portals_can_attach(portals, (*path, "attach"), document)
    to = attach.get("to", list(OWNER_KINDS))
    if isinstance(to, list):
        yield from _repeats(to, (*path, "attach", "to"), document)
        yield from _kinds_agree(attach, to, (*path, "attach"), document)


def _portals_can_attach(portals: Mapping[str, Any], path: Path, document: Document) -> Iterator[Finding]:
    """Activities with a badge need the context of an application (Bitrix24 docs, "crm.activity.configurable.add")."""
    for name, portal in portals.items():
        if isinstance(portal, dict) and "webhook" in portal and "oauth" not in portal:
            message = (
                f"portal '{name}' is reached by an inbound webhook, which can make badges but not put one on a card; "
                'instead of webhook: write url: and oauth: {client_id: "${NAME}", client_secret: "${NAME}"} of a local '
                "application, or remove attach"
            )
            yield document.finding(document.keys[path], message, "contradiction")
            return


def _repeats(to: Sequence[Any], path: Path, document: Document) -> Iterator[Finding]:
    for index, kind in enumerate(to):
        if isinstance(kind, str) and kind in to[:index]:
            message = f"'{kind}' stands in this list already; remove it here"
            yield document.finding(document.values[*path, index], message, "wrong-value")


def _kinds_agree(attach: Mapping[str, Any], to: Sequence[Any], path: Path, document: Document) -> Iterator[Finding]:
    owner = attach.get("owner")
    for kind in owner if isinstance(owner, dict) else ():
        if kind in OWNER_KINDS and kind not in to:
            message = f"'{kind}' is none of the cards in to:; add it there, or remove it here"
            yield document.finding(document.keys[*path, "owner", kind], message, "contradiction")
    if attach.get("on_missing") == "lead" and "lead" not in to:
        message = (
            "the lead that is made would never be found again, since to: has no lead; add it there, or write ignore"
        )
        yield document.finding(document.values[*path, "on_missing"], message, "contradiction")
