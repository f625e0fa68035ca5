"""`voximplant.statistic.get`: the calls that have ended (Bitrix24 docs, "voximplant.statistic.get").

The parameters are UPPER_CASE save for `start`; all values of a row are strings or null, save for `RECORD_FILE_ID`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from badge_bridge.sandbox.call_rows import CallRow
from badge_bridge.sandbox.errors import Refusal
from badge_bridge.sandbox.fields import Field, FieldType, by_name
from badge_bridge.sandbox.filters import read_filter
from badge_bridge.sandbox.paging import in_order, page
from badge_bridge.sandbox.registry import Context, Methods, Params, Reply

__all__ = ["statistics"]

statistics = Methods("telephony")

_NUMBERS = frozenset(
    {
        *("id", "portal_user_id", "call_type", "call_duration", "call_vote", "crm_entity_id", "crm_activity_id"),
        *("rest_app_id", "transcript_id", "redial_attempt", "record_duration", "record_file_id"),
    }
)


def _column(name: str) -> Field:
    kind: FieldType = "datetime" if name == "call_start_date" else "integer" if name in _NUMBERS else "string"
    return Field(name.upper(), kind, lambda row: getattr(row, name))


_COLUMNS = by_name(_column(name) for name in CallRow.model_fields)


@statistics.method("voximplant.statistic.get")
def get(context: Context, params: Params) -> Reply:
    """Finished calls: `FILTER`, `SORT` (one column), `ORDER`, `start`; for users with the right to call statistics."""
    if not context.caller.user.call_statistics:
        raise Refusal("ACCESS_DENIED", "Access denied!", status=403)
    condition = read_filter(params.get("FILTER"), _COLUMNS, strict=False)
    rows = [row for row in context.records.calls.values() if condition.holds(row)]
    sort = str(params.get("SORT") or "ID")
    column = _COLUMNS[sort] if sort in _COLUMNS and sort != "CALL_TYPE" else _COLUMNS["ID"]
    downwards = str(params.get("ORDER") or "ASC").upper() == "DESC"
    return page(in_order(rows, [(column, downwards)]), params.get("start"), _show)


def _show(rows: Sequence[CallRow]) -> list[dict[str, Any]]:
    return [
        {
            name: row.record_file_id if name == "RECORD_FILE_ID" else column.show_as_text(row)
            for name, column in _COLUMNS.items()
        }
        for row in rows
    ]
