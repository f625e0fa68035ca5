"""`crm.activity.list`, `get` and `delete`, for activities of every kind (Bitrix24 docs, "CRM activities").

UPPER_CASE names; all values are strings, ids too; an error has an empty code and a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from badge_bridge.sandbox.crm import Crm
from badge_bridge.sandbox.crm_seed import Activity
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import Field, by_name, read_id
from badge_bridge.sandbox.filters import Filter, read_filter
from badge_bridge.sandbox.paging import in_order, page, read_order
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["activities"]

activities = Methods("crm")

_NO_DEADLINE = 253_402_243_199.0
"""31 December 9999 is how the portal writes that there is none."""


def _status(activity: Activity) -> int:
    """1 waiting, 2 done (Bitrix24 docs, "crm.enum.activitystatus")."""
    return 2 if activity.completed else 1


_FIELDS = by_name(
    (
        Field("ID", "integer", lambda made: made.id),
        Field("OWNER_ID", "integer", lambda made: made.owner_id),
        Field("OWNER_TYPE_ID", "integer", lambda made: made.owner_type_id),
        Field("TYPE_ID", "integer", lambda made: made.type_id),
        Field("PROVIDER_ID", "string", lambda made: made.provider_id),
        Field("PROVIDER_TYPE_ID", "string", lambda made: made.provider_type_id),
        Field("PROVIDER_GROUP_ID", "string", lambda _: None),
        Field("ASSOCIATED_ENTITY_ID", "integer", lambda _: 0),
        Field("SUBJECT", "string", lambda made: made.subject),
        Field("CREATED", "datetime", lambda made: made.created_at),
        Field("LAST_UPDATED", "datetime", lambda made: made.updated_at),
        Field("START_TIME", "datetime", lambda made: made.created_at),
        Field("END_TIME", "datetime", lambda made: made.created_at if made.deadline is None else made.deadline),
        Field("DEADLINE", "datetime", lambda made: _NO_DEADLINE if made.deadline is None else made.deadline),
        Field("COMPLETED", "boolean", lambda made: made.completed),
        Field("STATUS", "integer", _status),
        Field("RESPONSIBLE_ID", "integer", lambda made: made.responsible_id),
        Field("PRIORITY", "integer", lambda _: 2),
        Field("NOTIFY_TYPE", "integer", lambda _: 0),
        Field("NOTIFY_VALUE", "integer", lambda _: 0),
        Field("DESCRIPTION", "string", lambda _: ""),
        Field("DESCRIPTION_TYPE", "integer", lambda _: 1),
        Field("DIRECTION", "integer", lambda made: 1 if made.incoming else 0),
        Field("LOCATION", "string", lambda _: ""),
        Field("SETTINGS", "string", lambda _: (), multiple=True),
        Field("ORIGINATOR_ID", "string", lambda made: made.originator_id),
        Field("ORIGIN_ID", "string", lambda made: made.origin_id),
        Field("AUTHOR_ID", "integer", lambda made: made.author_id),
        Field("EDITOR_ID", "integer", lambda made: made.editor_id),
        Field("PROVIDER_PARAMS", "string", lambda _: (), multiple=True),
        Field("PROVIDER_DATA", "string", lambda _: None),
        Field("RESULT_MARK", "integer", lambda _: 0),
        Field("RESULT_VALUE", "string", lambda _: None),
        Field("RESULT_SUM", "string", lambda _: None),
        Field("RESULT_CURRENCY_ID", "string", lambda _: None),
        Field("RESULT_STATUS", "integer", lambda _: 0),
        Field("RESULT_STREAM", "integer", lambda _: 0),
        Field("RESULT_SOURCE_ID", "string", lambda _: None),
        Field("AUTOCOMPLETE_RULE", "integer", lambda _: 0),
    )
)
_ORIGIN = ("ORIGINATOR_ID", "ORIGIN_ID")
_MORE = ("COMMUNICATIONS", "FILES")
"""Only shown when selected by name, and always empty here."""


@activities.method("crm.activity.list")
def list_activities(context: Context, params: Params) -> Reply:
    """Activities: `select`, `filter`, `order`, `start`. By default the earliest comes first."""
    _check_right(context)
    records = context.records
    given = params.get("filter")
    condition = read_filter(given, _filterable(records, given), strict=False)
    found = [made for made in _candidates(records.crm, condition, given) if condition.holds(made)]
    order = read_order(params.get("order"), _FIELDS, strict=False)
    ordered = in_order(found, order or [(_FIELDS["START_TIME"], False), (_FIELDS["ID"], False)])
    names = params.get("select")
    select = names if isinstance(names, list) else []

    def show(shown: Sequence[Activity]) -> list[dict[str, Any]]:
        return [_show(records, made, select) for made in shown]

    return page(ordered, params.get("start"), show)


@activities.method("crm.activity.get")
def get(context: Context, params: Params) -> Reply:
    """The activity with this `id`, of whatever kind."""
    activity = _find(context, params)
    return Reply({name: field.show_as_text(activity) for name, field in _FIELDS.items()})


@activities.method("crm.activity.delete", writes=True)
def delete(context: Context, params: Params) -> Reply:
    """Remove the activity with this `id`, of whatever kind and application; answers true."""
    context.records.crm.drop_activity(_find(context, params).id)
    return Reply(result=True)


def _check_right(context: Context) -> None:
    if context.caller.user.crm == "none":
        raise Refusal("", "Access denied.", status=400)


def _find(context: Context, params: Params) -> Activity:
    _check_right(context)
    activity = context.records.crm.activities.get(read_id(params.get("id")) or 0)
    if activity is None:
        raise Refusal("", "Activity is not found.", status=400)
    return activity


def _filterable(records: Records, given: Any) -> Mapping[str, Field]:
    """What may be filtered by, as the variant has it; an unknown name is passed over."""
    asked = [name for key in (given if isinstance(given, Mapping) else ()) for name in _ORIGIN if key.endswith(name)]
    if asked:
        records.meet("origin_filter")
    if records.variants.origin_filter == "works":
        return _FIELDS
    if asked and records.variants.origin_filter == "refused":
        raise Refusal("", f"Filter by {asked[0]} is not supported.", status=400)
    return {name: field for name, field in _FIELDS.items() if name not in _ORIGIN}


def _candidates(crm: Crm, condition: Filter, given: Any) -> Iterable[Activity]:
    """What a filter can hold for at all: by id, origin or owner where it asks for these.

    An activity that fits several `BINDINGS` comes several times, as the documentation warns.
    """
    bindings = given.get("BINDINGS") if isinstance(given, Mapping) else None
    if bindings:
        return _bound(crm, bindings)
    wanted = condition.wanted("ID"), condition.wanted("ORIGIN_ID"), condition.wanted("OWNER_ID")
    types = condition.wanted("OWNER_TYPE_ID")
    numbers: Iterable[int]
    if wanted[0] is not None:
        numbers = dict.fromkeys(wanted[0])
    elif wanted[1] is not None and all(wanted[1]):
        numbers = crm.activities_from(wanted[1])
    elif wanted[2] is not None and types is not None:
        numbers = [number for kind in types for number in crm.activities_on(kind, wanted[2])]
    else:
        return crm.activities.values()
    return [crm.activities[number] for number in numbers if number in crm.activities]


def _bound(crm: Crm, bindings: Any) -> Iterator[Activity]:
    entries = bindings.values() if isinstance(bindings, Mapping) else bindings if isinstance(bindings, list) else ()
    for entry in entries:
        if isinstance(entry, Mapping):
            condition = read_filter(entry, _FIELDS, strict=False)
            yield from (made for made in _candidates(crm, condition, entry) if condition.holds(made))


def _show(records: Records, activity: Activity, select: Sequence[Any]) -> dict[str, Any]:
    every = not select or "*" in select
    if every or not set(_ORIGIN).isdisjoint(select):
        records.meet("origin_in_lists")
    left_out = _ORIGIN if records.variants.origin_in_lists == "left-out" else ()
    shown = {
        name: field.show_as_text(activity)
        for name, field in _FIELDS.items()
        if (every or name in select or name == "ID") and name not in left_out
    }
    return {**shown, **{name: [] for name in _MORE if name in select}}
