"""`crm.timeline.icon.list` and `logo.list`: the pictures that a layout may name (Bitrix24 docs, "Log entries")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from badge_bridge.sandbox.registry import Context, Methods, Params, Reply
from badge_bridge.sandbox.timeline_pictures import ICONS, LOGOS

__all__ = ["timeline"]

timeline = Methods("crm")


@timeline.method("crm.timeline.icon.list")
def icons(context: Context, _params: Params) -> Reply:
    """Every icon at once; `isSystem` is false for those that an application has added."""
    return _show("icons", context.records.icons, ICONS)


@timeline.method("crm.timeline.logo.list")
def logos(context: Context, _params: Params) -> Reply:
    """Every logo at once."""
    return _show("logos", context.records.logos, LOGOS)


def _show(name: str, codes: Iterable[str], of_the_system: Iterable[str]) -> Reply:
    system = frozenset(of_the_system)
    shown: list[dict[str, Any]] = [
        {"code": code, "isSystem": code in system, "fileUri": "" if code in system else f"/upload/crm/{code}"}
        for code in codes
    ]
    return Reply({name: shown}, total=len(shown))
