"""Whatever a delivery may carry can be written down and read again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter

from badge_bridge.events import Event
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.store.records import (
    Unreadable,
    plain,
    read_asked,
    read_event,
    read_outcomes,
    show_asked,
    show_outcomes,
    write_asked,
    write_event,
    write_outcomes,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too
NUMBERS = st.integers() | st.floats()
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=20,
)

# The same examples in every run, however busy the machine is.
steady = settings(derandomize=True, deadline=None)


def event(**fields: Any) -> Event:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Event.model_validate({"id": "1", "source": "s", "provider": "p", "type": "t", "time": moment, **fields})


def kept(value: Any) -> Any:
    """What is kept of a JSON value, by the shortest description there is."""
    return json.loads(plain(json.dumps(value, ensure_ascii=False)), parse_constant=lambda _: None)


@steady
@given(st.dictionaries(ANY_TEXT, ANY_JSON, max_size=5))
def test_event_is_read_as_written_when_data_is_any_json(data: dict[str, Any]) -> None:
    """Data comes back equal, with U+FFFD for lone surrogates and null for what is no JSON number."""
    found = read_event(write_event(event(data=data)))

    assert found.data == kept(data)
    assert found == event(data=found.data)


@steady
@given(st.text(), st.text(min_size=1), st.datetimes(timezones=st.just(UTC)), st.none() | st.integers(0, 10**6))
def test_event_is_read_as_written_when_fields_are_any_text(
    subject: str, type_: str, time: datetime, duration: int | None
) -> None:
    """Fields come back equal, time to the microsecond."""
    given_event = event(subject=subject, type=type_, time=time, duration=duration)

    assert read_event(write_event(given_event)) == given_event


@steady
@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=4))
def test_outcomes_are_read_as_written_when_texts_are_odd(texts: list[tuple[str, str]]) -> None:
    """Outcomes and exchanges come back in order, outcomes with the number of their attempt."""
    outcomes = [Outcome(rule=rule, result="failed", reason=reason, attempt=9) for rule, reason in texts]
    asked = [Exchange(method=method, answer=said, milliseconds=1.5, about=said, said=said) for method, said in texts]

    assert [(one.rule, one.reason, one.attempt) for one in read_outcomes(write_outcomes(outcomes, attempt=3))] == [
        (plain(rule), plain(reason), 3) for rule, reason in texts
    ]
    assert [(one.method, one.answer, one.about, one.said) for one in read_asked(write_asked(asked))] == [
        (plain(method), *[plain(said)] * 3) for method, said in texts
    ]


class ExchangeOf020(BaseModel):
    """As version 0.2.0 reads one."""

    model_config = ConfigDict(frozen=True)

    method: str
    answer: str
    milliseconds: float
    together: int = 1


def test_exchange_is_read_when_another_version_has_written_it() -> None:
    """An older row says less, and a version of before passes over what it does not know."""
    older = '[{"method":"crm.item.list","answer":"ok","milliseconds":1.5,"together":2}]'
    now = Exchange(method="crm.item.list", about="of deal 41", answer="ok", said="none", milliseconds=1.5, together=2)
    assert read_asked(older) == (now.model_copy(update={"about": "", "said": ""}),)
    (back,) = TypeAdapter(tuple[ExchangeOf020, ...]).validate_json(write_asked([now]))
    assert back.model_dump() == json.loads(older)[0]


@pytest.mark.parametrize("value", [b"\xff", object()])
def test_event_is_refused_when_data_is_not_json(value: object) -> None:
    """What JSON cannot express is an error of the caller, found before anything is written."""
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        write_event(event(data={"value": value}))


@pytest.mark.parametrize(
    "text", ['[{"rule": "r", "result": "+49301234", "method": "m"}]', "+49301234", "not json +49301234"]
)
def test_outcomes_and_exchanges_are_shown_when_they_cannot_be_read(text: str) -> None:
    """One that says what is wrong stands for those of the attempt, and quotes nothing of them."""
    with pytest.raises(Unreadable, match="this version cannot read the stored outcomes: "):
        read_outcomes(text)

    (outcome,) = show_outcomes(text, attempt=3)
    (exchange,) = show_asked(text)

    assert (outcome.rule, outcome.result, outcome.attempt) == ("unreadable", "failed", 3)
    assert outcome.reason.startswith("this version cannot read the stored outcomes: ")
    assert exchange.method == "unreadable"
    assert exchange.answer.startswith("this version cannot read the stored exchanges: ")
    assert "+49" not in outcome.reason + exchange.answer


def test_event_is_refused_when_it_could_not_be_read_again() -> None:
    """Python writes integers of 5,000 digits and reads none, so such an event is refused while its sender listens."""
    with pytest.raises(ValueError, match="could not be read again"):
        write_event(event(data={"n": 10**5000}))
