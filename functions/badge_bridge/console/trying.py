"""The page on which rules are tried: what is pasted or taken is judged by them, and that is all that happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from starlette.requests import Request

from badge_bridge.console.answers import Senseless
from badge_bridge.console.apart import Busy
from badge_bridge.console.desk import Desk
from badge_bridge.console.forms import is_json, read_form, read_json
from badge_bridge.console.pasted import read_pasted
from badge_bridge.console.sessions import Session
from badge_bridge.console.trial import WEIGHED, Tried, as_data, judgement, tried_rules, written
from badge_bridge.errors import BridgeError, RulesError, SettingsError
from badge_bridge.explain import Explanation, judge_deliveries, judge_stored, known_among, legs_of
from badge_bridge.filters import SeveralKeys, the_one
from badge_bridge.on_cards import on_cards
from badge_bridge.signing import made_up, samples
from badge_bridge.sources.base import Delivery
from badge_bridge.typed_times import read_time

__all__ = ["try_rules"]

FIELDS = ("what", "delivery", "source", "event", "sample", "at", "rules")

KINDS = ("event", "sample", "delivery")
"""What may be judged; where nobody says which, the first that is filled in."""

_LISTED = 5
"""Keys that are named where what was typed is how several begin."""

CALLER, LINE = "+4930901820", "+4989654321"
"""Of a made-up call; numbers that are nobody's."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see judged: one of a delivery, a stored event and a sample."""

    what: str = ""
    """Which of them, one of `KINDS`; the others may be filled in, too."""
    delivery: str = ""
    """As `read_pasted` takes it."""
    source: str = ""
    """Whose body `delivery` is, where it is no whole request."""
    event: str = ""
    """The key of a stored event, or what no other key begins with."""
    sample: str = ""
    """`missed` or `answered`, a space, and the name of a source that a call is made up for."""
    at: str = ""
    """When the delivery was received; empty: now."""
    rules: str = ""
    """The text of the rules; empty: those of now."""

    @property
    def filled(self) -> Sequence[str]:
        return [kind for kind in KINDS if getattr(self, kind).strip()]

    @property
    def kind(self) -> str:
        """What is judged, or would be."""
        return self.what or next(iter(self.filled), "delivery")

    def chosen(self) -> Wish:
        """The same without what is not to be judged.

        Raises:
            Senseless: what is to be judged is not there, but something else is.
        """
        if self.kind not in KINDS:
            raise Senseless(f"what is judged is one of {', '.join(KINDS)}", "what")
        if self.filled and self.kind not in self.filled:
            raise Senseless("this is to be judged, and nothing stands here; fill it in, or choose the other", self.kind)
        return replace(self, **{kind: "" for kind in KINDS if kind != self.kind})


async def try_rules(desk: Desk, request: Request, session: Session | None) -> Mapping[str, Any]:  # noqa: ARG001 - as all pages
    """The data of `/console/try`: what was asked for, the mistakes in the rules, and the judgement.

    Raises:
        Senseless: what is to be judged is none, or cannot be worked out now.
        StoreUnavailable: the store cannot be read.
    """
    wish = await _wish(request)
    text_of_now = written(desk.rules)
    text = wish.rules or text_of_now
    told: dict[str, Any] = {
        "wish": {**{name: getattr(wish, name) for name in FIELDS if name != "rules"}, "what": wish.kind},
        "rules": {
            "file": desk.rules.filename,
            "hash": desk.rules.hash,
            "text": text,
            "is_of_now": text == text_of_now,
        },
        "sources": [
            {"source": name, "provider": getattr(options, "provider", "")} for name, options in desk.sources.items()
        ],
        "findings": [],
        "problem": None,
        "judgement": None,
    }
    try:
        tried = await _tried(desk, text)
        told["findings"] = [as_data(finding) for finding in tried.findings]
        if (chosen := wish.chosen()).filled:
            told["judgement"] = judgement(await _judged(desk, chosen, tried), tried)
    except RulesError as error:
        told["findings"] = [as_data(finding) for finding in error.findings]
    except Senseless as error:
        told["problem"] = {"field": error.field, "text": str(error)}
    except Busy as error:
        told["problem"] = {"field": "", "text": str(error)}
    return told


async def _wish(request: Request) -> Wish:
    """From the address where it is asked for, else from a form or JSON."""
    if request.method in {"GET", "HEAD"}:
        given: Mapping[str, Any] = {name: request.query_params.get(name, "") for name in ("event", "sample", "source")}
    elif is_json(request):
        given = await read_json(request, FIELDS)
    else:
        form = await read_form(request)
        # A browser ends the lines of a text with \r\n, however they ended where it was copied from.
        given = {name: form[name][0].replace("\r\n", "\n") for name in FIELDS if name in form}
    unknown = [name for name in given if name not in FIELDS]
    if unknown:
        raise Senseless(f"there is no field {unknown[0]!r}; there are {', '.join(FIELDS)}", field=str(unknown[0])[:100])
    wish = Wish(**given)
    if request.method == "POST" and is_json(request) and not wish.filled and not wish.rules.strip():
        # A form has the page around it, which asks for the same; nothing filled in is how it begins.
        raise Senseless(
            f"nothing is to be judged: send one of {', '.join(KINDS)}, or rules to be checked", field="what"
        )
    return replace(wish, rules=wish.rules.replace("\r\n", "\n"))


async def _tried(desk: Desk, text: str) -> Tried:
    tokens = {name: await desk.tokens(name) for name in desk.sources}
    now, knows_secrets = desk.rules, desk.knows_secrets
    return await desk.apart.do(lambda: tried_rules(text, now, tokens=tokens, knows_secrets=knows_secrets))


async def _judged(desk: Desk, wish: Wish, tried: Tried) -> Explanation:
    if wish.event:
        try:
            stored = await the_one(desk.store, wish.event.strip(), listed=_LISTED)
        except SeveralKeys as error:
            raise Senseless(f"several keys begin so: {error}; type more of the one that is meant", "event") from error
        if stored is None:
            raise Senseless("there is no event with this key; the page Events has the keys", field="event")
        legs = await legs_of(stored, desk.store)
        explanation = await desk.apart.do(lambda: judge_stored(tried.rules, stored, legs=legs, weighed=WEIGHED))
        (one,) = explanation.events
        return replace(explanation, events=[replace(one, cards=await on_cards(desk.store, one.key))])
    deliveries = _deliveries(desk, wish, tried)
    explanation = await desk.apart.do(lambda: judge_deliveries(tried.rules, tried.sources, deliveries, weighed=WEIGHED))
    return replace(explanation, known=await known_among(explanation, desk.store))


def _deliveries(desk: Desk, wish: Wish, tried: Tried) -> list[tuple[str, Delivery]]:
    now = _moment(wish.at, desk.clock()) if wish.at else desk.clock()
    if not wish.sample:
        return list(read_pasted(wish.delivery, source=wish.source, at=now))
    outcome, _, source = wish.sample.partition(" ")
    if outcome not in ("missed", "answered"):
        raise Senseless("a sample is missed or answered, a space, and the name of a source", field="sample")
    call = made_up(outcome=outcome, now=now, caller=CALLER, line=LINE)  # type: ignore[arg-type]  # one of the two
    try:
        return [(source, one) for one in samples(tried.sources, source, call)]
    except BridgeError as error:
        raise Senseless(str(error), field="sample") from error


def _moment(text: str, now: float) -> float:
    try:
        return read_time(text[:100], now=now, zone=UTC)
    except SettingsError as error:
        raise Senseless(str(error), field="at") from error
