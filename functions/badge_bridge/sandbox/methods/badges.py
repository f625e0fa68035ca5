"""`crm.activity.badge.add`, `get`, `list` and `delete` (Bitrix24 docs, "Configurable activity badges").

A badge has no id; its code is the only key. Codes are compared exactly.
"""

from __future__ import annotations

from typing import Any

from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply
from badge_bridge.sandbox.seed import Badge, Text

__all__ = ["BADGE_TYPES", "badges", "register_for_another_actor"]

BADGE_TYPES = ("success", "failure", "warning", "primary", "secondary")
_DOCUMENTED_LIMIT = 30
"""Characters of a code."""


def _refused_by_webhook(records: Records) -> bool:
    records.meet("badges_by_webhook")
    return records.variants.badges_by_webhook == "refused"


badges = Methods("crm", refuses_webhooks=_refused_by_webhook)


@badges.method("crm.activity.badge.add", right="crm-administrator", writes=True)
def add(context: Context, params: Params) -> Reply:
    """Register a badge: `code`, `title`, `value`, `type`, all required; answers `{"badge": {...}}`."""
    records = context.records
    badge = _read_badge(records, params)
    if badge.code in records.badges:
        records.meet("duplicate_code_error")
        raise Refusal(records.variants.duplicate_code_error, "Code must be unique", status=400)
    records.badges[badge.code] = badge
    return Reply({"badge": _show(records, badge)})


@badges.method("crm.activity.badge.get", right="crm")
def get(context: Context, params: Params) -> Reply:
    """The badge with this `code`."""
    return Reply({"badge": _show(context.records, _find(context.records, params))})


@badges.method("crm.activity.badge.list", right="crm")
def list_all(context: Context, _params: Params) -> Reply:
    """Every badge at once: the method has no paging."""
    records = context.records
    shown = [_show(records, badge) for badge in records.badges.values()]
    return Reply({"badges": shown}, total=len(shown))


@badges.method("crm.activity.badge.delete", right="crm-administrator", writes=True)
def delete(context: Context, params: Params) -> Reply:
    """Remove the badge with this `code`; answers true."""
    del context.records.badges[_find(context.records, params).code]
    return Reply(result=True)


def register_for_another_actor(records: Records, params: Params) -> bool:
    """Add the badge of these parameters as somebody else would; False where that changes nothing."""
    try:
        badge = _read_badge(records, params)
    except Refusal:
        return False
    return records.badges.setdefault(badge.code, badge) is badge


def _find(records: Records, params: Params) -> Badge:
    """The badge asked for.

    The pages of get and delete list no other error than NOT_FOUND, so none is invented for a missing code.
    """
    badge = records.badges.get(_scalar(params.get("code")))
    if badge is None:
        raise Refusal("NOT_FOUND")
    return badge


def _read_badge(records: Records, params: Params) -> Badge:
    for name in ("code", "title", "value", "type"):
        if name not in params:
            raise _missing(records, name)
    return Badge(
        code=_code(records, params["code"]),
        title=_text(records, "title", params["title"]),
        value=_text(records, "value", params["value"]),
        type=_type(records, params["type"]),
    )


def _missing(records: Records, name: str) -> Refusal:
    records.meet("missing_parameter_error")
    return Refusal(records.variants.missing_parameter_error, f"Could not find value for parameter {{{name}}}")


def _code(records: Records, value: Any) -> str:
    code = _scalar(value)
    if not code:
        raise Refusal("REQUIRED_ARG_MISSING", "Required field is not filled: code")
    limit = records.variants.badge_code_limit
    if len(code) > (limit or _DOCUMENTED_LIMIT):
        records.meet("badge_code_limit")
    if limit is not None and len(code) > limit:
        raise Refusal("0", f"The length of the code field must not exceed {limit} characters")
    return code


def _type(records: Records, value: Any) -> str:
    kind = _scalar(value)
    if not kind:
        raise Refusal("REQUIRED_ARG_MISSING", "Required field is not filled: type")
    if kind not in BADGE_TYPES:
        records.meet("unknown_badge_type")
        if records.variants.unknown_badge_type == "refused":
            raise Refusal("WRONG_TYPE_VALUE", f"The type is none of {', '.join(BADGE_TYPES)}")
    return kind


def _text(records: Records, name: str, value: Any) -> Text:
    if isinstance(value, dict):
        texts = {str(language): _scalar(text) for language, text in value.items()}
        if texts and all(texts.values()):
            _check_languages(records, texts)
            return texts
    elif text := _scalar(value):
        return text
    raise Refusal("REQUIRED_ARG_MISSING", f"Required field is not filled: {name}")


def _check_languages(records: Records, texts: dict[str, str]) -> None:
    for language in texts:
        if language not in records.languages:
            records.meet("unknown_language")
            if records.variants.unknown_language == "refused":
                raise Refusal("0", f"Language `{language}` was not found")


def _scalar(value: Any) -> str:
    """A form has only texts, a JSON body may have numbers where a text is meant; anything else counts as empty."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _show(records: Records, badge: Badge) -> dict[str, Any]:
    if not (isinstance(badge.title, str) and isinstance(badge.value, str)):
        records.meet("badge_texts")
    if records.variants.badge_texts == "resolved":
        title: Text = records.resolve(badge.title)
        value: Text = records.resolve(badge.value)
    else:
        title, value = badge.title, badge.value
    return {"code": badge.code, "title": title, "value": value, "type": badge.type}
