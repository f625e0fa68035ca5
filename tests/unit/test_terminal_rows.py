"""Events as rows, in terminals of any width."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len
from rich.console import Console

from badge_bridge.events import Event
from badge_bridge.store.protocol import StoredEvent
from badge_bridge.terminal_rows import Changes, print_list

NOW = 1_795_345_200.0
REASON = "portal main: crm.activity.badge.add was refused with ACCESS_DENIED; give the application the right crm"


def stored(source: str = "reception", reason: str = "", caller: str = "+4930901820") -> StoredEvent:
    event = Event(
        id="1",
        source=source,
        provider="generic",
        type="call.missed",
        time=datetime.fromtimestamp(NOW, UTC),
        caller=caller,
    )
    key = f"{source}:{'0123456789abcdef' * 2}"
    return StoredEvent(key, event, "bearer", NOW, "dead" if reason else "done", reason, 1, 0, NOW, "", NOW, "")


def shown(width: int, *found: StoredEvent, is_terminal: bool = True) -> list[str]:
    stream = io.StringIO()
    print_list(
        found, console=Console(file=stream, width=width, force_terminal=is_terminal, no_color=True, soft_wrap=True)
    )
    return plain(stream)


def plain(stream: io.StringIO) -> list[str]:
    return stream.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()


def test_row_is_one_line_when_there_is_room() -> None:
    """In a wide terminal, and wherever a script reads, which has the whole clause."""
    heading, first, second = shown(200, stored(reason=REASON), stored())
    assert heading.split()[2:] == ["key", "type", "caller", "state", "tries", "what", "came", "of", "it"]
    assert "0123456789abcdef  call.missed  +4930901820  dead   1      portal main: crm.activity" in first
    assert second.endswith("done   1")
    (_, piped) = shown(40, stored(reason=REASON), is_terminal=False)
    assert piped.endswith("dead   1      portal main: crm.activity.badge.add was refused with ACCESS_DENIED …")


def test_row_tells_what_came_of_an_event_that_has_no_reason() -> None:
    """As it was told by the event's key, cut as a reason is; plain, whoever has written it."""
    stream = io.StringIO()
    event = stored()
    print_list(
        [event],
        {event.key: "Badge bb_missedCall is on deal 41.\x1b[2J Badge bb_other is on deal 42."},
        console=Console(file=stream, width=160, force_terminal=True, no_color=True, soft_wrap=True),
    )
    row = plain(stream)[-1]
    assert "done   1      Badge bb_missedCall is on deal 41." in row
    assert row.endswith("…")
    assert "\x1b[2J" not in row
    assert cell_len(row) == 160


def test_row_is_two_lines_when_the_terminal_is_narrower() -> None:
    """What one looks for first in the upper one; each below its heading."""
    upper, lower, *row = shown(80, stored(reason=REASON))
    assert upper.split()[2:] == ["state", "type", "caller", "tries"]
    assert lower.split() == ["key", "what", "came", "of", "it"]
    assert row == [
        f"{row[0][:19]}  dead   call.missed  +4930901820  1",
        "  reception:0123456789abcdef0123456789abcdef  portal main: crm.activity.badge.a…",
    ]


def test_reason_begins_a_line_when_little_of_it_fits_behind_the_key() -> None:
    """In a terminal of 132 columns it is not cut to a third; a short one stands in the line of its event."""
    *_, first, second = shown(132, stored(reason=REASON))
    assert first.endswith("reception:0123456789abcdef0123456789abcdef")
    assert second == "  portal main: crm.activity.badge.add was refused with ACCESS_DENIED …"
    assert len(shown(132, stored(reason="no rule matched"))) == 2


@pytest.mark.parametrize("width", [20, 40, 60, 79, 80, 100, 120, 179, 180])
def test_key_is_whole_and_nothing_else_is_wider_than_the_terminal(width: int) -> None:
    """A key is to be copied; all else is broken between columns, and the reason is cut."""
    key = "reception:0123456789abcdef0123456789abcdef"
    lines = shown(width, stored(reason=REASON), stored(caller="anonymous"))
    assert sum(key in line for line in lines) == 2
    wide = [line for line in lines if cell_len(line) > max(width, 2 + 24)]
    assert [line for line in wide if line.strip() != key] == []


def test_what_others_wrote_moves_no_cursor() -> None:
    """Nor does it make a line that looks like ours."""
    text = "\n".join(shown(200, stored(caller="\x1b[2J\nx", reason="a\nb")))
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2


def test_changes_stand_below_a_heading_that_names_the_zone() -> None:
    """Each in its columns, from the first one on."""
    stream = io.StringIO()
    changes = Changes(Console(file=stream, width=160, force_terminal=True, no_color=True, soft_wrap=True))
    changes.show(stored(reason=REASON))
    changes.show(stored("pbx"))
    heading, first, second = plain(stream)
    assert heading.startswith("at (")
    for name, column in (("key", "reception:"), ("type", "call.missed"), ("state", "dead"), ("what", "portal main")):
        assert first.index(column) == heading.index(name)
    assert second.index("call.missed") == heading.index("type")
    assert "give the application" not in first
