"""The calls of one portal: pass the gate, wait for a turn, leave together, and each get an answer.

A call waits between `Lanes.enter` and `Lanes.set_out`; that is where calls gather into one `batch` and are counted
against the portal's limits (`gathering`, `limits`). What leaves together comes back here as one answer, and every call
gets its own result or error from it. Callers see `call` and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from badge_bridge.errors import (
    AccessRefused,
    CallRefused,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    PortalError,
    PortalUnreachable,
    StoreUnavailable,
)
from badge_bridge.http import AsyncBaseTransport
from badge_bridge.meters import Meters
from badge_bridge.outcomes import Exchange
from badge_bridge.portal import batch
from badge_bridge.portal.answers import Reply, read, read_share
from badge_bridge.portal.codes import CODES
from badge_bridge.portal.commands import Command, Departure, Page, told_to
from badge_bridge.portal.courier import Carried, Courier
from badge_bridge.portal.exchanges import answer_of
from badge_bridge.portal.gathering import Gathering
from badge_bridge.portal.keyring import Keyring
from badge_bridge.portal.lanes import Lanes
from badge_bridge.portal.limits import Limiter
from badge_bridge.portal.sizing import LARGEST, SLOW, BatchSize
from badge_bridge.portal.trials import Trials
from badge_bridge.portal.wire import DEADLINE, Wire

__all__ = ["PortalClient"]

logger = logging.getLogger("badge_bridge.portal")

_Meaning = Reply | PortalError


class PortalClient:
    """Calls the REST methods of one portal (`name` in the rules file).

    `keyring` gives the credential of each request; `limiter` counts the requests, None where the portal has no limit
    that is known; `trusted_hosts` are those that a redirect may lead to besides the cloud's own, and `on_moved` is told
    the host when one did; `largest_batch` is how many commands leave in one request at most, 1 for never more than one.
    `transport` replaces the network; `deadline` is how many seconds one request may take in all; `timer` returns
    seconds and is read before and after each request; `meters` count them.
    """

    def __init__(
        self,
        name: str,
        keyring: Keyring,
        *,
        lanes: Lanes,
        limiter: Limiter | None = None,
        trusted_hosts: Collection[str] = (),
        on_moved: Callable[[str], None] | None = None,
        largest_batch: int = LARGEST,
        transport: AsyncBaseTransport | None = None,
        deadline: float = DEADLINE,
        timer: Callable[[], float] = time.perf_counter,
        meters: Meters | None = None,
    ) -> None:
        self.name = name
        self._lanes = lanes
        self.limiter = limiter
        """What counts its requests; None where the portal has no limit that is known."""
        self._timer = timer
        self._wire = Wire(name, transport=transport, deadline=deadline)
        self._meters = meters or Meters()
        self._courier = Courier(
            name,
            keyring,
            self._wire,
            admitted=self._admitted,
            trusted_hosts=trusted_hosts,
            on_moved=on_moved,
            meters=self._meters,
        )
        self._size = BatchSize(largest_batch)
        self._told_refusal = False
        self._trials = Trials()
        self._gathering = Gathering(name, size=self._size, admitted=self._admitted, send=self._send)

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Any:
        """The `result` of one call. `params` must be what JSON can say; each exchange is appended to `asked`.

        Inside a batch all values become texts, so a method for which `1` and `"1"` differ must not be called here.

        Raises:
            PortalPaused: not carried out; the portal or this method rests until a time. Where an answer to this call
                was the reason, it is the `__cause__`.
            OutcomeUnknown: sent, but nobody knows whether it was carried out (`OutcomeUnknownAndPaused` is both).
            NotFound, CallRefused: refused; the portal itself is well.
            PortalUnreachable, LimitReached, AccessRefused: only where the pause could not be stored.
            StoreUnavailable: not carried out, because nobody knows whether the portal is paused or has room.
        """
        page = await self.call_page(method, params, asked=asked)
        return page.result

    async def call_page(
        self, method: str, params: Mapping[str, Any] | None = None, *, asked: list[Exchange] | None = None
    ) -> Page:
        """As `call`, with where the next page of a list begins and how many rows it has.

        Raises:
            as `call`.
        """
        passage = await self._lanes.enter(method)
        command = Command(method, params or {}, passage, asked, asyncio.get_running_loop().create_future())
        self._gathering.add(command)
        try:
            return await command.answer
        except asyncio.CancelledError:
            self._forget(command)
            raise

    async def aclose(self) -> None:
        """Send nothing more, end what is under way and close the connections."""
        await self._gathering.aclose()
        for command in self._trials.drain():
            command.fail(self._ended(command, Departure((), self._timer)))
        await self._wire.aclose()

    def _forget(self, command: Command) -> None:
        """The caller has gone, perhaps after the answer has come, in the same turn of the event loop."""
        command.leave(self._timer())
        if not command.answer.cancelled():
            command.answer.exception()  # it came too late, which is no reason to report that nobody has looked at it
        self._gathering.leave(command)
        if command.alone and command.under_way is None:
            self._abandon(command)

    async def _admitted(self) -> None:
        if self.limiter is not None:
            since = asyncio.get_running_loop().time()
            await self.limiter.admitted()
            self._meters.waiting.observe(asyncio.get_running_loop().time() - since, self.name)

    async def _send(self, commands: Sequence[Command]) -> None:
        """Send what leaves together, and give each its answer."""
        departure = Departure((), self._timer)
        try:
            departure = Departure(await self._let_out(commands), self._timer)
            if departure.commands:
                await self._exchange(departure)
        except asyncio.CancelledError:
            for command in commands:
                command.fail(self._ended(command, departure))
            raise
        except Exception as error:  # noqa: BLE001 - parameters that JSON cannot say; the caller must learn of it
            for command in commands:
                command.fail(error)
        finally:
            for command in commands:
                if command.alone and command.answer.done():
                    self._abandon(command)

    async def _let_out(self, commands: Sequence[Command]) -> list[Command]:
        """Those whose lanes are still open; the others get their error."""
        going = []
        for command in commands:
            try:
                # One that was put back holds its probe already, and must not find that somebody holds it.
                if not (command.set_out and command.passage.held):
                    command.passage = await self._lanes.set_out(command.passage)
                command.set_out = True
                going.append(command)
            except (PortalError, StoreUnavailable) as error:
                command.fail(error)
        return [command for command in going if not command.answer.done()]

    async def _exchange(self, departure: Departure) -> None:
        """One request: carry it, and hand out what came back."""
        commands = departure.commands
        departure.begins()
        try:
            if len(commands) == 1:
                carried = await self._courier.carry(commands[0].method, commands[0].params, departure)
            else:
                params = batch.request([command.phrase or "" for command in commands])
                carried = await self._courier.carry(batch.METHOD, params, departure)
        except StoreUnavailable as error:
            departure.ends()
            for command in commands:
                command.fail(StoreUnavailable(*error.args))
        except PortalError as error:
            departure.ends()
            if error.code == "timeout":
                self._size.too_large(len(commands))
            await self._hand_out([(command, told_to(error, command.method)) for command in commands], one=True)
        else:
            departure.ends()
            await self._arrived(departure, carried)

    async def _arrived(self, departure: Departure, carried: Carried) -> None:
        commands = departure.commands
        if isinstance(carried.meaning, Reply) or carried.seconds > SLOW:
            self._size.took(len(commands), carried.seconds)
        if len(commands) == 1:
            departure.record(carried.meaning, carried.seconds)
            if commands[0].alone:
                await self._conclude(commands[0], carried.meaning)
            await self._hand_out([(commands[0], carried.meaning)], one=True)
        elif isinstance(carried.meaning, Reply) and any(self._shares(commands, carried.meaning)):
            await self._hand_out(self._divided(departure, carried, carried.meaning), one=False)
        else:
            departure.record(carried.meaning, carried.seconds)
            if isinstance(carried.meaning, CallRefused | NotFound):
                self._batch_was_refused(len(commands), carried.meaning)
                if carried.meaning.code.casefold() in CODES:
                    self._gathering.put_back([command for command in commands if not command.answer.done()])
                    return
            await self._hand_out([(command, self._of_whole(command, carried)) for command in commands], one=True)

    def _divided(self, departure: Departure, carried: Carried, reply: Reply) -> list[tuple[Command, _Meaning]]:
        """What each command of a batch was answered, without those that are sent again."""
        divided: list[tuple[Command, _Meaning]] = []
        again: list[Command] = []
        together = len(departure.commands)
        for command, share in zip(departure.commands, self._shares(departure.commands, reply), strict=True):
            meaning = self._meaning(command, share, carried)
            command.record(meaning, seconds=carried.seconds, together=together)
            match answer_of(meaning).casefold():
                case "error_batch_method_not_allowed":
                    self._gathering.send_alone(command.method)
                    again.append(command)
                case "error_batch_length_exceeded":
                    self._size.too_large(together)
                    again.append(command)
                case _ if isinstance(meaning, CallRefused):
                    match self._trials.refused(command, meaning):
                        case "alone":
                            again.append(command)
                        case "final":
                            divided.append((command, meaning))
                case _:
                    if isinstance(meaning, Reply):
                        self._trials.took(command.method)
                    divided.append((command, meaning))
        self._gathering.put_back([command for command in again if not command.answer.done()])
        refusals = [meaning for _, meaning in divided if not isinstance(meaning, Reply | NotFound)]
        if refusals:
            # What tells of the portal or the method says more than what tells of one call.
            gravest = next((one for one in refusals if isinstance(one, AccessRefused | LimitReached)), refusals[0])
            self._meters.refused_within(self.name, carried.counted, gravest)
        return divided

    async def _conclude(self, command: Command, meaning: _Meaning) -> None:
        """A command that was refused in a batch has been tried alone: tell those that wait for how that ended."""
        if isinstance(meaning, Reply):
            self._gathering.send_alone(command.method)
        elif isinstance(meaning, CallRefused | NotFound):
            await self._hand_out(self._trials.end(command, meaning), one=False)

    def _abandon(self, command: Command) -> None:
        """Nobody hears any more how a trial ended, or it was the batch: those that wait for it leave again."""
        held = self._trials.end(command)
        self._gathering.put_back([waiting for waiting, _ in held if not waiting.answer.done()])

    def _shares(self, commands: Sequence[Command], reply: Reply) -> Iterator[dict[str, Any] | None]:
        return (batch.share(reply.result, batch.key_of(number)) for number in range(len(commands)))

    def _meaning(self, command: Command, share: Mapping[str, Any] | None, carried: Carried) -> _Meaning:
        try:
            return read_share(share, portal=self.name, method=command.method, credential=carried.credential)
        except PortalError as error:
            return error

    def _of_whole(self, command: Command, carried: Carried) -> _Meaning:
        """The error of a whole batch as that of one command, whose method decides which right or scope is missing."""
        if isinstance(carried.meaning, Reply | CallRefused | NotFound):
            # Success and not a word about any command, or a refusal of the batch in words that nobody knows.
            return self._meaning(command, None, carried)
        try:
            return read(carried.answer, portal=self.name, method=command.method, credential=carried.credential)
        except PortalError as error:
            return error

    def _batch_was_refused(self, count: int, error: PortalError) -> None:
        """The portal refused the batch itself and no command of it: the next ones are smaller, or sent alone."""
        if error.code.casefold() == "error_batch_length_exceeded":
            self._size.too_large(count)
            return
        self._size.refused()
        if not self._told_refusal:
            self._told_refusal = True
            logger.warning(
                "portal %s: it refused a batch with %s; calls are sent one by one, and together again later",
                self.name,
                answer_of(error),
            )

    async def _hand_out(self, meanings: Sequence[tuple[Command, _Meaning]], *, one: bool) -> None:
        """Tell the lanes what became of each command, and then its caller. `one`: one failure, whoever it met."""
        for number, (command, meaning) in enumerate(meanings):
            if isinstance(meaning, Reply):
                await self._lanes.passed(command.passage, meaning.operating_reset_at)
                command.succeed(Page(meaning.result, meaning.next, meaning.total))
                continue
            verdict = await self._lanes.failed(command.passage, meaning, counts=not one or number == 0)
            if verdict is not meaning:
                verdict.__cause__ = meaning
            command.fail(verdict)

    def _ended(self, command: Command, departure: Departure) -> PortalError:
        """The error of a command whose request was ended on our side."""
        if departure.sent:
            return OutcomeUnknown(
                f"portal {self.name}: {command.method}: the bridge is stopping; whether it was carried out is not "
                "known",
                portal=self.name,
                method=command.method,
                code="stopping",
            )
        return PortalUnreachable(
            f"portal {self.name}: {command.method} was not sent, the bridge is stopping",
            portal=self.name,
            method=command.method,
            code="stopping",
        )
