"""Whether a rule can name the type of an event."""

from __future__ import annotations

import re

from badge_bridge.errors import Impossible
from badge_bridge.events import CALL_TYPES, EXACT_TYPE

__all__ = ["check_type", "outcome_of"]

_EXACT_TYPE = re.compile(EXACT_TYPE)


def check_type(text: str, *, field: str) -> str:
    """The type, which a rule can name.

    Raises:
        Impossible: none can; names the field that the type is made of.
    """
    if not _EXACT_TYPE.fullmatch(text):
        raise Impossible(
            "must be words with full stops between them, without spaces and *, as rules name it", field=field
        )
    return text


def outcome_of(kind: str) -> str:
    """The outcome that a call's type says; empty for other types."""
    return kind.removeprefix("call.") if kind in CALL_TYPES else ""
