"""The story that the demo tells. Nothing here is assumed: each line is read from the store or the portal's log first,
and a line that turns out otherwise is printed as such and fails the demo.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from shlex import quote
from shutil import which
from typing import Any

from rich.console import Console
from rich.markup import escape

from badge_bridge.demo.stage import ANNAS_DEAL, GRACES_DEAL, Stage, open_stage
from badge_bridge.http import Response
from badge_bridge.serving import until_signal
from badge_bridge.store.protocol import StoredEvent

__all__ = ["play"]

PATIENCE = 5.0
"""Seconds that an event gets to end. It takes milliseconds here."""

TWILIO_CALL = "CA00000000000000000000000000000001"
RED = ("Call status", "Missed", "failure")
"""What a card shows after a missed call."""

FORGED_CALL = "CA00000000000000000000000000000002"


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
        for scene in (_installation, _missed_call, _second_call, _forgery, _repetition, _called_back):
            try:
                await scene(stage, teller)
            except LookupError as error:
                teller.lost(str(error))
        verdict = "Everything went as it should" if teller.fine else "NOT everything went as it should"
        teller.say(f"\n{verdict}, in {time.perf_counter() - started:.1f} s.")
        if once:
            teller.say(
                "\nAll of it is gone now. Without --once (make demo) it stays up to look at: cards, console, portal."
            )
        else:
            teller.say(f"\n  deal cards      {stage.sandbox_url}/kanban")
            teller.say(f"  sandbox portal  {stage.sandbox_url}/_sandbox/state and /_sandbox/requests")
            teller.say(f"  bridge          {stage.bridge_url}/healthz, takes POST {stage.bridge_url}/hooks/reception")
            teller.say(f"  console         {await stage.console_link()}, good once and for 10 minutes")
            teller.say(f"  another link    {_program()} console --state {quote(stage.state)}")
            teller.say("\nAll stay up; Ctrl-C ends them.")
            await until_signal()
    return teller.fine


def _program() -> str:
    """How a shell calls this program, wherever its own folder is."""
    own = Path(sys.executable).with_name("badge-bridge")
    if not own.exists():
        return f"{quote(sys.executable)} -m badge_bridge"
    found = which("badge-bridge")
    return "badge-bridge" if found is not None and own.samefile(found) else quote(str(own))


async def _installation(stage: Stage, teller: _Teller) -> None:
    teller.chapter("The portal installs the bridge as its application:")
    before = await stage.portal_requests()
    said = await stage.install()
    teller.step(f"answered with {said}", seen=said, wanted=200)
    log = [(entry["method"], entry["error"] or "ok") for entry in await stage.portal_log(before)]
    teller.step("the token was proven at the portal", seen=log[:2], wanted=[("app.info", "ok"), ("profile", "ok")])
    bound = sum(entry == ("event.bind", "ok") for entry in log)
    teller.step(f"the portal sends its calls from now on: {bound} events bound", seen=bound, wanted=4)


async def _missed_call(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Anna Berger calls and nobody answers. Twilio reports it, signed:")
    before = await stage.portal_requests()
    answer = await stage.send_twilio(TWILIO_CALL)
    event = await _ended(stage, TWILIO_CALL, answer)
    _received(teller, answer, event)
    # The call was judged from one delivery; behind the colon stands how that was verified.
    way = event.verified.rpartition(": ")[2]
    teller.step(f"verified: {way}", seen=way.startswith("hmac-sha1"), wanted=True)
    teller.step("understood: an inbound call that was missed", seen=event.event.type, wanted="call.missed")
    teller.step("rule matched: missed call", seen=_rules(event), wanted=["missed call"])
    log = [(entry["method"], entry["error"] or "ok") for entry in await stage.portal_log(before)]
    for wanted in (
        ("crm.activity.badge.get", "NOT_FOUND"),
        ("crm.duplicate.findbycomm", "ok"),
        ("crm.activity.badge.add", "ok"),
        ("crm.item.list", "ok"),
        ("crm.activity.configurable.add", "ok"),
    ):
        seen = next((entry for entry in log if entry[0] == wanted[0]), None)
        teller.step(f"portal asked: {wanted[0]} -> {wanted[1]}", seen=seen, wanted=wanted)
    requests = await stage.portal_requests() - before
    teller.step("in 3 requests and nothing else", seen=(requests, len(log)), wanted=(3, 5))
    teller.step("her card on the kanban shows it: Call status MISSED", seen=await _badge(stage, ANNAS_DEAL), wanted=RED)
    teller.step(f"done, {_took(event)}", seen=(event.state, event.attempts), wanted=("done", 1))


async def _second_call(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Grace Miller rings in vain too; Bitrix24's own telephony reports it:")
    before = await stage.portal_requests()
    event = await _ended(stage, await stage.portal_missed_call())
    teller.step(f"verified: {event.verified}", seen=event.verified, wanted="application token")
    teller.step("understood: an inbound call that was missed", seen=event.event.type, wanted="call.missed")
    teller.step("rule matched: missed call", seen=_rules(event), wanted=["missed call"])
    added = [entry["method"] for entry in await stage.portal_log(before) if entry["method"].endswith(".add")]
    teller.step(
        "the badge was there already: only the card was added to", seen=added, wanted=["crm.activity.configurable.add"]
    )
    teller.step("her card shows it: Call status MISSED", seen=await _badge(stage, GRACES_DEAL), wanted=RED)
    teller.step(f"done, {_took(event)}", seen=event.state, wanted="done")


async def _forgery(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Somebody without the secret reports a call:")
    answer = await stage.send_twilio(FORGED_CALL, token="not the auth token")  # noqa: S106 - the point of the scene
    teller.step("refused with 401, without a word why", seen=(answer.status_code, answer.content), wanted=(401, b""))
    teller.step("and not stored", seen=await _find(stage, FORGED_CALL), wanted=None)


async def _repetition(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Twilio sends the first report again:")
    events, requests = len(await _all(stage)), await stage.portal_requests()
    answer = await stage.send_twilio(TWILIO_CALL)
    said = answer.status_code
    teller.step(f"answered with {said}, so that Twilio stops sending", seen=said, wanted=200)
    teller.step("recognised: still one event for this call", seen=len(await _all(stage)) - events, wanted=0)
    event = await _find(stage, TWILIO_CALL)
    teller.step("and not worked on again", seen=event and (event.state, event.attempts), wanted=("done", 1))
    teller.step("the portal was not asked anything", seen=await stage.portal_requests() - requests, wanted=0)


async def _called_back(stage: Stage, teller: _Teller) -> None:
    teller.chapter("Somebody calls Anna back, and she answers:")
    event = await _ended(stage, await stage.call_anna_back())
    teller.step("understood: a call that was answered", seen=event.event.type, wanted="call.answered")
    cleared = [outcome.result for outcome in event.outcomes]
    teller.step("cleared: missed call", seen=cleared, wanted=["cleared"])
    teller.step("the badge is gone from her card", seen=await _badge(stage, ANNAS_DEAL), wanted=None)
    teller.step("and Grace's is still there", seen=await _badge(stage, GRACES_DEAL), wanted=RED)
    teller.step(f"done, {_took(event)}", seen=event.state, wanted="done")


def _received(teller: _Teller, answer: Response, event: StoredEvent) -> None:
    said = answer.status_code
    teller.step(f"received: answered with {said}, stored as {event.key}", seen=said, wanted=200)


async def _ended(stage: Stage, call: str, answer: Response | None = None) -> StoredEvent:
    """The stored event of a call once it has ended; as it is where its first attempt failed or patience ends.

    `answer` is what its sender has heard, where that is us.

    Raises:
        LookupError: it was never stored.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        event = await _find(stage, call)
        over = time.monotonic() > deadline
        if event is None and (over or (answer is not None and not answer.is_success)):
            said = "" if answer is None else f"answered with {answer.status_code}, and "
            raise LookupError(f"received: {said}the event was not stored")
        if event is not None and (over or event.state not in {"waiting", "working"} or event.reason):
            return event
        await asyncio.sleep(0.02)


async def _find(stage: Stage, call: str) -> StoredEvent | None:
    """What is known of a call as a whole; the legs that this was joined from have the call's id too."""
    calls = (one for one in await _all(stage) if one.event.type.startswith("call.") and one.event.leg is None)
    key = next((event.key for event in calls if event.event.id == call), None)
    return None if key is None else await stage.bridge.store.get(key)


async def _all(stage: Stage) -> tuple[StoredEvent, ...]:
    return (await stage.bridge.store.list()).events


async def _badge(stage: Stage, deal: int) -> tuple[str, str, str] | None:
    """Caption, text and colour of the badge on a card, if there is one."""
    badge = (await stage.card(deal))["badge"]
    return None if badge is None else (badge["title"], badge["value"], badge["type"])


def _rules(event: StoredEvent) -> list[str]:
    return [outcome.rule for outcome in event.outcomes if outcome.result == "badged"]


def _took(event: StoredEvent) -> str:
    if event.settled_at is None:
        return "not ended yet"
    return f"{(event.settled_at - event.received_at) * 1000:.0f} ms after it was received"
