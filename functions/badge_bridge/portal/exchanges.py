"""What a call asked of a portal and what came back, in a few words for whoever reads the life of an event.

    crm.activity.badge.get of bb_missedCall -> NOT_FOUND
    crm.duplicate.findbycomm of the phone +49301234567 -> contact 3
    crm.item.list of open deals of contact 3 -> deal 41
    crm.activity.configurable.add on deal 41 -> activity 93

Told are codes, kinds and ids, the words of a refusal, and by what the customer of the event was looked for, which
stands in the event as well. Everything else that goes there or comes from there may be a layout, somebody's text or a
token, and is left out; so of a method that the table does not name nothing is told.

What is told is kept in the store and shown to operators. It is for no log: numbers stand in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from badge_bridge.errors import PortalError
from badge_bridge.outcomes import Exchange
from badge_bridge.plural import named, several
from badge_bridge.portal.answers import Reply
from badge_bridge.portal.badges import badge_in
from badge_bridge.portal.codes import STATISTICS
from badge_bridge.portal.crm_items import TYPE_IDS, OwnerKind
from badge_bridge.portal.recognising import everybody, hits, item_of_call, kind_named
from badge_bridge.portal.rows import ids_of, inside, is_completed, one_id, rows_of

__all__ = ["TOLD", "answer_of", "answered", "cancelled"]

_MOST = 120
"""Characters of each text."""

_Params = Mapping[str, Any]

_WAYS = {"PHONE": "phone", "EMAIL": "e-mail address"}
_PARTIES = (("@contactIds", "contact"), ("@contactId", "contact"), ("@companyId", "company"))
"""The filters by which deals are listed, and whose deals these are."""


def answer_of(meaning: Reply | PortalError) -> str:
    """In a word: `ok`, the code of the error, or its status where there is none."""
    return "ok" if isinstance(meaning, Reply) else meaning.code or f"HTTP {meaning.status}"


def answered(
    method: str,
    params: _Params,
    meaning: Reply | PortalError,
    *,
    seconds: float,
    together: int,
    as_a_whole: bool = False,
) -> Exchange:
    """A call and its answer; `as_a_whole`: it is the answer to the whole batch, whose result is not that of a call."""
    if isinstance(meaning, PortalError):
        said = "" if _letters(meaning.description) == _letters(meaning.code) else meaning.description
    else:
        said = "" if as_a_whole else _said(method, params, meaning.result)
    return _exchange(method, params, answer_of(meaning), said, seconds=seconds, together=together)


def cancelled(method: str, params: _Params, *, seconds: float, together: int) -> Exchange:
    """A call for whose answer nobody has waited."""
    return _exchange(method, params, "cancelled", "", seconds=seconds, together=together)


def _exchange(method: str, params: _Params, answer: str, said: str, *, seconds: float, together: int) -> Exchange:
    return Exchange(
        method=method,
        about=_short(_about(method, params)),
        answer=answer,
        said=_short(said),
        milliseconds=round(seconds * 1000, 3),
        together=together,
    )


def _about(method: str, params: _Params) -> str:
    words = TOLD.get(method)
    return words[0](params) if words else ""


def _said(method: str, params: _Params, result: Any) -> str:
    words = TOLD.get(method)
    return words[1](result, params) if words else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"


def _letters(text: str) -> str:
    """By which `NOT_FOUND` and `Not found.` are the same."""
    return "".join(filter(str.isalnum, text)).casefold()


def _kind(type_id: object) -> OwnerKind | None:
    """The kind of item that the portal counts so."""
    return next((kind for kind, number in TYPE_IDS.items() if number == type_id), None)


def _one(kind: str | None, number: object) -> str:
    """`deal 41`; empty where one of the two is not known."""
    known = one_id(number)
    return f"{kind} {known}" if kind and known else ""


def _after(word: str, text: str) -> str:
    return f"{word} {text}" if text else ""


def _way(type_: object, value: object) -> str:
    """`phone +49301234567`, as a customer is reached."""
    way = _WAYS.get(str(type_))
    return f"{way} {value}" if way and isinstance(value, str) else ""


# Each of these is handed what we send, or what the portal answers, which may be anything.


def _badge(params: _Params) -> str:
    code = params.get("code")
    return _after("of", code) if isinstance(code, str) else ""


def _badge_found(result: Any, _: _Params) -> str:
    return "there" if badge_in(result) else "none"


def _reached_by(params: _Params) -> str:
    """By which number or address; of its spellings the first, which is as the event has it."""
    values = params.get("values")
    reached = _way(params.get("type"), values[0] if isinstance(values, list) and values else None)
    only = kind_named(params.get("entity_type"))
    return _after("of the", f"{reached} among {several(only)}" if reached and only else reached)


def _whoever(result: Any, _: _Params) -> str:
    return everybody(hits(result))


def _call(params: _Params) -> str:
    return _after("of the call", _call_id(params))


def _call_id(params: _Params) -> str:
    call_id = inside(params, "FILTER").get("CALL_ID")
    return call_id if isinstance(call_id, str) else ""


def _card_of_call(result: Any, params: _Params) -> str:
    item = item_of_call(result, _call_id(params))
    return f"{item[0]} {item[1]}" if item else "no card"


def _items(params: _Params) -> str:
    """Which items are listed: those with some ids, those of a contact or a company, or our leads of a customer."""
    kind, where = _kind(params.get("entityTypeId")), inside(params, "filter")
    if kind is None:
        return ""
    still = "open " if where.get("stageSemanticId") == "P" else ""
    ids = ids_of(where.get("@id"))
    if ids:
        return f"of {still}{named(kind, ids)}"
    for name, party in _PARTIES:
        parties = ids_of(where.get(name))
        if parties:
            return f"of {still}{several(kind)} of {named(party, parties)}"
    return f"of {still}{several(kind)} that the bridge made for this customer" if "originId" in where else ""


def _items_found(result: Any, params: _Params) -> str:
    kind = _kind(params.get("entityTypeId"))
    rows = rows_of(result.get("items")) if isinstance(result, Mapping) else []
    return _listed(kind, ids_of([row.get("id") for row in rows]))


def _listed(kind: str | None, ids: tuple[int, ...]) -> str:
    return "" if kind is None else named(kind, ids) if ids else "none"


def _new_item(params: _Params) -> str:
    """For whom: of his number and his address the one that comes first."""
    kind = _kind(params.get("entityTypeId"))
    if kind is None:
        return ""
    ways = (_way(one.get("typeId"), one.get("value")) for one in rows_of(inside(params, "fields").get("fm")))
    first = next((way for way in ways if way), "")
    return f"of a {kind} for the {first}" if first else f"of a {kind}"


def _item_made(result: Any, params: _Params) -> str:
    return _one(_kind(params.get("entityTypeId")), inside(result, "item").get("id"))


def _card(params: _Params) -> str:
    return _after("on", _one(_kind(params.get("ownerTypeId")), params.get("ownerId")))


def _activity_made(result: Any, _: _Params) -> str:
    return _one("activity", inside(result, "activity").get("id"))


def _activity(params: _Params) -> str:
    return _after("of", _one("activity", params.get("id")))


def _completed(params: _Params) -> str:
    return _after("to complete", _one("activity", params.get("id")))


def _activity_read(result: Any, _: _Params) -> str:
    fields = inside(inside(result, "activity"), "fields")
    return ("completed" if is_completed(fields) else "not completed") if fields else ""


def _activities(params: _Params) -> str:
    """Those of a card, page by page, or the one that an earlier try may have added, by the bridge's own id for it."""
    where = inside(params, "filter")
    card = _one(_kind(where.get("OWNER_TYPE_ID")), where.get("OWNER_ID"))
    if card:
        last = one_id(where.get(">ID"))
        return f"of the activities on {card}" + (f" after {last}" if last else "")
    return "of the activity that may have been added before" if "ORIGIN_ID" in where else ""


def _activities_found(result: Any, _: _Params) -> str:
    return _listed("activity", ids_of([row.get("ID") for row in rows_of(result)]))


def _nothing(_result: Any, _: _Params) -> str:
    """That it went well is all there is to say."""
    return ""


TOLD: Mapping[str, tuple[Callable[[_Params], str], Callable[[Any, _Params], str]]] = MappingProxyType(
    {
        "crm.activity.badge.get": (_badge, _badge_found),
        "crm.activity.badge.add": (_badge, _nothing),
        "crm.duplicate.findbycomm": (_reached_by, _whoever),
        STATISTICS: (_call, _card_of_call),
        "crm.item.list": (_items, _items_found),
        "crm.item.add": (_new_item, _item_made),
        "crm.activity.configurable.add": (_card, _activity_made),
        "crm.activity.configurable.update": (_completed, _nothing),
        "crm.activity.configurable.get": (_activity, _activity_read),
        "crm.activity.list": (_activities, _activities_found),
    }
)
"""Of each method that is called for an event what it asks, in words that go on after its name, and what came back."""
