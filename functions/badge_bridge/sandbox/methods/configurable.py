"""`crm.activity.configurable.add`, `update` and `get` (Bitrix24 docs, "Configurable activities").

An application may call them, an inbound webhook may not; ids are numbers here. Nothing about them is idempotent: two
adds with one `originId` make two activities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from badge_bridge.sandbox.crm_seed import Activity
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import read_bool, read_id, read_scalar, read_whole
from badge_bridge.sandbox.methods.layout import check_layout
from badge_bridge.sandbox.moments import iso, read_moment
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["configurable"]

configurable = Methods("crm", refuses_webhooks=lambda _: True)


def _allowed_in_batch(records: Records) -> bool:
    records.meet("configurable_in_batch")
    return records.variants.configurable_in_batch == "allowed"


@configurable.method("crm.activity.configurable.add", right="crm", writes=True, batchable=_allowed_in_batch)
def add(context: Context, params: Params) -> Reply:
    """Add an activity to an item: `ownerTypeId`, `ownerId`, `fields`, `layout`; answers `{"activity": {"id": 901}}`."""
    records = context.records
    owner = _number(params, "ownerTypeId"), _number(params, "ownerId")
    fields = _map(params, "fields")
    layout = _map(params, "layout")
    if records.crm.item(*owner) is None:
        raise Refusal("NOT_FOUND")
    values = _read_fields(records, fields)
    _check_incoming(values.get("incoming", False), values.get("deadline"))
    if not layout:
        raise Refusal("ERROR_EMPTY_LAYOUT")
    values["layout"] = check_layout(records, layout)
    user = context.caller.user.id
    activity = Activity(
        id=records.crm.new_id("activity"),
        owner_type_id=owner[0],
        owner_id=owner[1],
        client_id=context.caller.client_id,
        subject=_subject(records, values["layout"]),
        created_at=context.now,
        updated_at=context.now,
        author_id=user,
        editor_id=user,
        **{"responsible_id": user, **values},
    )
    records.crm.put_activity(activity)
    return Reply({"activity": {"id": activity.id}})


@configurable.method("crm.activity.configurable.update", right="crm", writes=True)
def update(context: Context, params: Params) -> Reply:
    """Change an activity: `id`, `fields`, `layout`; only for the application that made it."""
    records = context.records
    before = _find(records, params)
    if before.client_id != context.caller.client_id:
        raise Refusal("ERROR_WRONG_APPLICATION", "Only the application that created the activity can update it")
    if not (params.get("fields") and params.get("layout")):
        records.meet("partial_update")
    partly = records.variants.partial_update == "accepted"
    fields = _map(params, "fields", optional=partly)
    layout = _map(params, "layout", optional=partly or "layout" not in params)
    if not layout and not partly:
        raise Refusal("ERROR_EMPTY_LAYOUT")
    values = _read_fields(records, fields, before)
    _check_incoming(values.get("incoming", before.incoming), values.get("deadline", before.deadline))
    if layout:
        values["layout"] = check_layout(records, layout)
        values["subject"] = _subject(records, values["layout"])
    changes = {**values, "updated_at": context.now, "editor_id": context.caller.user.id}
    records.crm.put_activity(before.model_copy(update=changes))
    return Reply({"activity": {"id": before.id}})


@configurable.method("crm.activity.configurable.get", right="crm")
def get(context: Context, params: Params) -> Reply:
    """The activity with this `id`, whichever application made it."""
    activity = _find(context.records, params)
    return Reply(
        {
            "activity": {
                "id": activity.id,
                "ownerTypeId": activity.owner_type_id,
                "ownerId": activity.owner_id,
                "fields": {
                    "typeId": activity.provider_type_id,
                    "completed": activity.completed,
                    "deadline": None if activity.deadline is None else iso(activity.deadline),
                    "pingOffsets": list(activity.ping_offsets),
                    "isIncomingChannel": activity.incoming,
                    "responsibleId": activity.responsible_id,
                    "badgeCode": activity.badge_code,
                    "originatorId": activity.originator_id,
                    "originId": activity.origin_id,
                },
                "layout": activity.layout,
            }
        }
    )


def _find(records: Records, params: Params) -> Activity:
    activity = records.crm.activities.get(_number(params, "id"))
    if activity is None or not activity.configurable:
        raise Refusal("NOT_FOUND")
    return activity


def _number(params: Params, name: str) -> int:
    number = read_id(params.get(name))
    if number is None:
        raise _missing(name)
    return number


def _map(params: Params, name: str, *, optional: bool = False) -> Mapping[str, Any]:
    """A parameter that is a map; an empty list is an empty one, as PHP has it."""
    value = params.get(name)
    if isinstance(value, Mapping):
        return value
    if value == [] or (optional and value in (None, "")):
        return {}
    raise _missing(name)


def _missing(name: str) -> Refusal:
    return Refusal("100", f"Could not find value for parameter {{{name}}}")


def _read_fields(records: Records, fields: Mapping[str, Any], before: Activity | None = None) -> dict[str, Any]:
    """Attributes of the record by the `fields` of the call; a key that is not documented is passed over.

    Raises:
        Refusal: WRONG_FIELD_VALUE with the name, CANT_CHANGE_PROVIDER_TYPE_ID, or as the variants say.
    """
    _check_type(fields.get("typeId"), before)
    values: dict[str, Any] = {}
    for name, (attribute, read) in _READERS.items():
        if fields.get(name) is not None:
            values[attribute] = read(records, name, fields[name])
    if values.get("completed") and before is not None and before.completed:
        records.meet("completing_twice")
        _refuse_unless_accepted(records.variants.completing_twice, "completed")
    # An empty deadline does not clear the one there is.
    return {name: value for name, value in values.items() if name != "deadline" or value is not None}


def _check_type(given: Any, before: Activity | None) -> None:
    """The sandbox has no `crm.activity.type.add`, so the default is the only type."""
    if given is None or given == (before.provider_type_id if before else "CONFIGURABLE"):
        return
    if before is not None:
        raise Refusal("CANT_CHANGE_PROVIDER_TYPE_ID")
    raise _wrong("typeId")


def _check_incoming(incoming: bool, deadline: float | None) -> None:
    if incoming and deadline is not None:
        raise Refusal("INCOMING_ACTIVITY_CAN_NOT_BE_WITH_DEADLINE")


def _bool(_records: Records, name: str, given: Any) -> bool:
    value = read_bool(given)
    if value is None:
        raise _wrong(name)
    return bool(value)


def _deadline(_records: Records, name: str, given: Any) -> float | None:
    moment = read_moment(read_scalar(given))
    if moment is None and given != "":
        raise _wrong(name)
    return moment


def _offsets(_records: Records, name: str, given: Any) -> tuple[int, ...]:
    numbers = [read_whole(one) for one in given] if isinstance(given, list) else [None]
    if any(number is None or number < 0 for number in numbers):
        raise _wrong(name)
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def _user(_records: Records, name: str, given: Any) -> int:
    number = read_id(given)
    if number is None:
        raise _wrong(name)
    return number


def _badge_code(records: Records, name: str, given: Any) -> str:
    code = str(read_scalar(given))
    if code and code not in records.badges:
        records.meet("unknown_badge_code")
        _refuse_unless_accepted(records.variants.unknown_badge_code, name)
    return code


def _origin(_records: Records, name: str, given: Any) -> str | None:
    value = read_scalar(given, None)
    if value is None:
        raise _wrong(name)
    return str(value) or None


_READERS: Mapping[str, tuple[str, Callable[[Records, str, Any], Any]]] = {
    "completed": ("completed", _bool),
    "isIncomingChannel": ("incoming", _bool),
    "deadline": ("deadline", _deadline),
    "pingOffsets": ("ping_offsets", _offsets),
    "responsibleId": ("responsible_id", _user),
    "badgeCode": ("badge_code", _badge_code),
    "originatorId": ("originator_id", _origin),
    "originId": ("origin_id", _origin),
}
"""The fields with the attributes that they become."""


def _refuse_unless_accepted(variant: str, name: str) -> None:
    if variant == "WRONG_FIELD_VALUE":
        raise _wrong(name)
    if variant != "accepted":
        raise Refusal(variant)


def _wrong(name: str) -> Refusal:
    return Refusal("WRONG_FIELD_VALUE", f"Wrong value of the field {name}")


def _subject(records: Records, layout: Mapping[str, Any]) -> str:
    """What lists call an activity by: the title of its entry."""
    return records.resolve(layout["header"]["title"])
