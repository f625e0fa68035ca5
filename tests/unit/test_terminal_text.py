"""What others have written, as a terminal shows it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from badge_bridge.terminal_text import harmless, json_shown

JSON = st.recursive(
    st.text() | st.integers() | st.booleans() | st.none(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
)


@given(JSON)
def test_json_is_the_same_and_nothing_of_it_is_obeyed(value: object) -> None:
    """Letters of every alphabet stay readable; escape sequences and marks that turn a line around are written out."""
    shown = json_shown(value).plain
    assert json.loads(shown) == value
    assert harmless(shown) == shown


def test_letters_stay_and_controls_are_written_out() -> None:
    """An operator reads the names of customers, and sees what does not belong there."""
    assert json_shown({"name": "Jürgen 李\x1b[2J\u202e"}).plain == '{\n  "name": "Jürgen 李\\u001b[2J\\u202e"\n}'
