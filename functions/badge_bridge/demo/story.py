"""The story that the demo tells. Nothing here is assumed: each line is read from the store or the portal's log first,
and a line that turns out otherwise is printed as such and fails the demo.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from rich.console import Console
from rich.markup import escape

from badge_bridge.demo.stage import Stage, open_stage
from badge_bridge.http import Response
from badge_bridge.serving import until_signal
from badge_bridge.store.protocol import StoredEvent

__all__ = ["play"]

PATIENCE = 5.0
"""Seconds that an event gets to end. It takes milliseconds here."""

TWILIO_CALL = "CA00000000000000000000000000000001"
FORGED_CALL = "CA00000000000000000000000000000002"
BITRIX24_CALL = "externalCall.demo.1"


class _Teller:
    """Prints what was expected and what was seen, and remembers whether they ever differed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.fine = True

    def chapter(self, title: str) -> None:
        self._console.print(f"\n[bold]{escape(title)}[/]")

    def step(self, what: str, *, seen: Any, wanted: Any) -> None:
        if seen == wanted:
            self._console.print(f"  [green]✓[/] {escape(what)}", highlight=False)
        else:
            self.fine = False
            self._console.print(f"  [red]✗[/] {escape(what)}", highlight=False)
            self._console.print(f"      expected {escape(repr(wanted))}", highlight=False)
            self._console.print(f"      saw      {escape(repr(seen))}", highlight=False)

    def lost(self, what: str) -> None:
        """The scene cannot go on: what it is about is not there."""
        self.fine = False
        self._console.print(f"  [red]✗[/] {escape(what)}", highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False)


async def play(
    *,
    once: bool,
    console: Console | None = None,
    opening: AbstractAsyncContextManager[Stage] | None = None,
) -> bool:
    """Tell the story; True where every step went as it should. Stays up until Ctrl-C unless `once`.

    `opening` replaces the stage, for example by one whose portal has faults.
    """
    teller = _Teller(console or Console(soft_wrap=True))
    started = time.perf_counter()
    async with opening or open_stage() as stage:
        for scene in (_missed_call, _second_call, _forgery, _repetition):
            try:
                await scene(stage, teller)
            except LookupError as error:
                teller.lost(str(error))
        verdict = "Everything went as it should" if teller.fine else "NOT everything went as it should"
        teller.say(f"\n{verdict}, in {time.perf_counter() - started:.1f} s.")
        teller.say(f"\n  sandbox portal  {stage.sandbox_url}/_sandbox/state and /_sandbox/requests")
        teller.say(f"  bridge          {stage.bridge_url}/healthz, takes POST {stage.bridge_url}/hooks/reception")
        if not once:
            teller.say("\nBoth stay up; Ctrl-C ends them.")
            await until_signal()
    return teller.fine


async def _missed_call(stage: Stage, teller: _Teller) -> None:
    teller.chapter("A customer calls and nobody answers. Twilio reports it, signed:")
    answer = await stage.send_twilio(TWILIO_CALL)
    event = await _ended(stage, TWILIO_CALL, answer)
    _received(teller, answer, event)
    teller.step(f"verified: {event.verified}", seen=event.verified.startswith("hmac-sha1"), wanted=True)
    teller.step("understood: an inbound call that was missed", seen=event.event.type, wanted="call.missed")
    teller.step("rule matched: missed call", seen=_rules(event), wanted=["missed call"])
    log = [(entry["method"], entry["error"] or "ok") for entry in await stage.portal_log()]
    for position, (method, said) in enumerate((("get", "NOT_FOUND"), ("add", "ok"))):
        wanted = (f"crm.activity.badge.{method}", said)
        seen = log[position] if position < len(log) else None
        teller.step(f"portal asked: {wanted[0]} -> {said}", seen=seen, wanted=wanted)
    teller.step("and nothing else", seen=len(log), wanted=2)
    codes = [badge["code"] for badge in await stage.portal_badges()]
    teller.step("the portal now has the badge bb_missedCall", seen="bb_missedCall" in codes, wanted=True)
    teller.step(f"done, {_took(event)}", seen=(event.state, event.attempts), wanted=("done", 1))


async def _second_call(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Another missed call, posted by Bitrix24's own telephony:")
    before = len(await stage.portal_log())
    answer = await stage.send_bitrix24(BITRIX24_CALL)
    event = await _ended(stage, BITRIX24_CALL, answer)
    _received(teller, answer, event)
    teller.step(f"verified: {event.verified}", seen=event.verified, wanted="application token")
    teller.step("understood: an inbound call that was missed", seen=event.event.type, wanted="call.missed")
    teller.step("rule matched: missed call", seen=_rules(event), wanted=["missed call"])
    added = [entry["method"] for entry in (await stage.portal_log())[before:] if entry["method"].endswith(".add")]
    teller.step("the badge was there already: nothing had to be added", seen=added, wanted=[])
    teller.step(f"done, {_took(event)}", seen=event.state, wanted="done")


async def _forgery(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Somebody without the secret reports a call:")
    answer = await stage.send_twilio(FORGED_CALL, token="not the auth token")  # noqa: S106 - the point of the scene
    teller.step("refused with 401, without a word why", seen=(answer.status_code, answer.content), wanted=(401, b""))
    teller.step("and not stored", seen=await _find(stage, FORGED_CALL), wanted=None)


async def _repetition(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Twilio sends the first report again:")
    events, requests = len(await _all(stage)), len(await stage.portal_log())
    answer = await stage.send_twilio(TWILIO_CALL)
    said = answer.status_code
    teller.step(f"answered with {said}, so that Twilio stops sending", seen=said, wanted=200)
    teller.step("recognised: still one event for this call", seen=len(await _all(stage)) - events, wanted=0)
    event = await _find(stage, TWILIO_CALL)
    teller.step("and not worked on again", seen=event and (event.state, event.attempts), wanted=("done", 1))
    teller.step("the portal was not asked anything", seen=len(await stage.portal_log()) - requests, wanted=0)


def _received(teller: _Teller, answer: Response, event: StoredEvent) -> None:
    said = answer.status_code
    teller.step(f"received: answered with {said}, stored as {event.key}", seen=said, wanted=200)


async def _ended(stage: Stage, call: str, answer: Response) -> StoredEvent:
    """The stored event of a call once it has ended; as it is where its first attempt failed or patience ends.

    Raises:
        LookupError: it was never stored.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        event = await _find(stage, call)
        over = time.monotonic() > deadline
        if event is None and (over or not answer.is_success):
            raise LookupError(f"received: answered with {answer.status_code}, and the event was not stored")
        if event is not None and (over or event.state not in {"waiting", "working"} or event.reason):
            return event
        await asyncio.sleep(0.02)


async def _find(stage: Stage, call: str) -> StoredEvent | None:
    key = next((event.key for event in await _all(stage) if event.event.id == call), None)
    return None if key is None else await stage.bridge.store.get(key)


async def _all(stage: Stage) -> tuple[StoredEvent, ...]:
    return (await stage.bridge.store.list()).events


def _rules(event: StoredEvent) -> list[str]:
    return [outcome.rule for outcome in event.outcomes if outcome.result == "ensured"]


def _took(event: StoredEvent) -> str:
    if event.settled_at is None:
        return "not ended yet"
    return f"{(event.settled_at - event.received_at) * 1000:.0f} ms after it was received"
