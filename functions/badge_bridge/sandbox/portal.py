"""The sandbox portal: one Bitrix24 account in memory. `answer` is the story of a call.

Nothing in here waits or knows HTTP; `app` puts it on a server, `faults` makes it misbehave.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from badge_bridge.sandbox.errors import Refusal, SandboxError, has_two_editions
from badge_bridge.sandbox.faults import Faults, Strike
from badge_bridge.sandbox.journal import Journal
from badge_bridge.sandbox.metering import LeakyBucket, OperatingMeter
from badge_bridge.sandbox.methods import METHODS
from badge_bridge.sandbox.methods.badges import register_for_another_actor
from badge_bridge.sandbox.office import Office
from badge_bridge.sandbox.records import Records
from badge_bridge.sandbox.registry import Caller, Context, Method, Params, Served
from badge_bridge.sandbox.seed import Seed, User, default_seed
from badge_bridge.sandbox.statefile import StateFile
from badge_bridge.sandbox.wire import Answer, Call

__all__ = ["SandboxPortal"]

log = logging.getLogger(__name__)


class SandboxPortal:
    """One portal.

    `seed` is what it starts with and what `reset` goes back to; with a `state_file` that exists, its content is what
    it starts with. `clock` gives unix seconds, `new_secret` a text that nobody can guess. `office` is its half that
    deals with applications and events.

    Raises:
        SandboxError: the state file cannot be read or written, or is not one.
    """

    def __init__(
        self,
        seed: Seed | None = None,
        *,
        state_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        new_secret: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self.clock = clock
        self.office = Office(lambda: self._records, clock=clock, new_secret=new_secret, save=self._save)
        self.faults = Faults()
        self.journal = Journal()
        self._origin = seed or default_seed()
        self._file = StateFile(state_file) if state_file else None
        self._meter = OperatingMeter()
        self._bucket = LeakyBucket()
        stored = self._file.load() if self._file else None
        self._records = Records(stored or self._origin)
        if stored is None:
            self._save()

    @property
    def seed(self) -> Seed:
        """The portal's present content."""
        return self._records.to_seed()

    @property
    def records(self) -> Records:
        """The same, indexed, for pages that show a part of it."""
        return self._records

    def all_401(self, code: str) -> bool:
        """Which edition of the statuses of system errors is in force, asked for this error."""
        if has_two_editions(code):
            self._records.meet("system_errors")
        return self._records.variants.system_errors == "all-401"

    def webhook_url(self, base_url: str, user_id: int = 1) -> str:
        """The inbound webhook of a user, as the portal's settings page would show it: it ends with a slash.

        Raises:
            LookupError: the user has no webhook.
        """
        for hook in self._records.webhooks.values():
            if hook.user_id == user_id:
                return f"{base_url.rstrip('/')}/rest/{hook.user_id}/{hook.secret}/"
        raise LookupError(f"user {user_id} has no webhook in this sandbox")

    def reseed(self, seed: Seed) -> None:
        """Replace the whole content; faults and the log stay."""
        self._records = Records(seed)
        self._save()

    def reset(self) -> None:
        """Back to the seed the portal was made with: no faults, an empty log."""
        self.faults.clear()
        self.journal.clear()
        self._meter = OperatingMeter()
        self._bucket = LeakyBucket()
        self.office.forget()
        self.reseed(self._origin)

    def moved_to(self, host: str) -> str | None:
        """The portal's new address for a request to its old host, which goes no further; None where it goes on."""
        target = self._records.renamed_to
        return target if target is not None and host != urlsplit(target).netloc.lower() else None

    def let_in(self) -> None:
        """Count a request.

        Raises:
            Refusal: there is no room for it in the bucket; nothing is carried out.
        """
        limits = self._records.limits
        if limits and not self._bucket.take(rate=limits.rate, burst=limits.burst, now=self.clock()):
            raise Refusal("QUERY_LIMIT_EXCEEDED")

    def can_expire(self, call: Call) -> bool:
        """Whether a call shows an access token that is good and has an end."""
        token = self._records.tokens.get(call.token)
        return token is not None and token.expires_at is not None and not self.is_over(token.expires_at)

    def expire(self, call: Call) -> None:
        """Let the access token of a call be over from now on, where it has an end at all."""
        if self.can_expire(call):
            token = self._records.tokens[call.token]
            self._records.tokens[call.token] = token.model_copy(update={"expires_at": self.clock()})
            self._save()

    def refuse(self, refusal: Refusal) -> Answer:
        return Answer.of_error(refusal.code, refusal.description, refusal.status(all_401=self.all_401(refusal.code)))

    def answer(self, call: Call, strikes: Mapping[str, Strike] | None = None) -> Answer:
        """Carry out a call and answer it. `strikes` are faults of single commands of a batch by key, or of "" itself.

        Checked in this order: https, credential, method, scope, context, right, run time, parameters. (Which of two
        errors the real portal would name first is not documented.)
        """
        return self.take(call, strikes)()

    def take(self, call: Call, strikes: Mapping[str, Strike] | None = None) -> Callable[[], Answer]:
        """Let a call in; what is returned carries it out as `answer` does, even where its token has expired by then."""
        started = self.clock()
        try:
            caller = self._authenticate(call)
        except Refusal as refusal:
            refused = self.refuse(refusal)
            return lambda: refused

        def carry_out() -> Answer:
            try:
                served = self._serve(caller, call.method, call.params, started=started, strikes=strikes or {}, key="")
            except Refusal as refusal:
                return self.refuse(refusal)
            except SandboxError as error:
                log.error("%s", error)  # noqa: TRY400 - the message is all there is to it
                return self.refuse(Refusal("INTERNAL_SERVER_ERROR"))
            return Answer.of_envelope(_envelope(served))

        return carry_out

    def caller_id(self, call: Call) -> int | None:
        """The user whom a call claims to come from, for the log."""
        if call.user_id is not None:
            return call.user_id
        token = self._records.tokens.get(call.token)
        return token.user_id if token else None

    def _serve(
        self, caller: Caller, name: str, params: Params, *, started: float, strikes: Mapping[str, Strike], key: str
    ) -> Served:
        """Run one method for a caller, alone or as the command `key` of a batch."""
        strike = strikes.get(key)
        if strike is not None and not strike.kind.carries_out:
            raise strike.refusal()
        method = self._permit(caller, name, now=started)
        if strike is not None and strike.kind.name == "race-add" and register_for_another_actor(self._records, params):
            self._save()
        before = self.clock()

        def perform(command: str, method_name: str, command_params: Params) -> Served:
            return self._serve(caller, method_name, command_params, started=self.clock(), strikes=strikes, key=command)

        def announce(event: str, data: Mapping[str, Any]) -> None:
            self.office.announce(event, data, caller)

        context = Context(self._records, caller, METHODS, before, perform, announce)
        reply = method.run(context, params)
        if method.writes:
            self._save()
        return Served(reply, self._time(method, caller, started, before))

    def _permit(self, caller: Caller, name: str, *, now: float) -> Method:
        method = METHODS.get(name)
        if method is None:
            raise Refusal("ERROR_METHOD_NOT_FOUND")
        if method.scope and method.scope not in caller.scopes:
            by = "the webhook token" if caller.kind == "webhook" else "the access token"
            raise Refusal("insufficient_scope", f"The request requires higher privileges than provided by {by}")
        if caller.kind == "webhook" and method.refuses_webhooks(self._records):
            raise Refusal("ERROR_WRONG_CONTEXT")
        if not _has_right(caller.user, method):
            raise Refusal("ACCESS_DENIED")
        limits = self._records.limits
        ceiling = limits.operating if limits and method.metered else None
        if ceiling is not None and self._meter.used((method.name, self._account(caller)), now=now) >= ceiling:
            raise Refusal("OPERATION_TIME_LIMIT")
        return method

    def _authenticate(self, call: Call) -> Caller:
        if not call.secure:
            self._records.meet("https_required")
            if self._records.variants.https_required:
                raise Refusal("INVALID_REQUEST")
        return self._by_webhook(call.user_id, call.secret) if call.user_id is not None else self._by_token(call.token)

    def _by_webhook(self, user_id: int, secret: str) -> Caller:
        hook = self._records.webhooks.get((user_id, secret))
        if hook is None or self.is_over(hook.expires_at):
            raise Refusal("INVALID_CREDENTIALS" if self.all_401("NO_AUTH_FOUND") else "NO_AUTH_FOUND")
        return Caller("webhook", self._active(hook.user_id), frozenset(hook.scopes))

    def _by_token(self, access_token: str) -> Caller:
        token = self._records.tokens.get(access_token)
        if token is None:
            raise Refusal("NO_AUTH_FOUND")
        if self.is_over(token.expires_at):
            raise Refusal("expired_token")
        return Caller("oauth", self._active(token.user_id), frozenset(token.scopes), token.client_id)

    def is_over(self, expires_at: float | None) -> bool:
        """Whether a credential that is good until then has expired."""
        return expires_at is not None and self.clock() >= expires_at

    def _active(self, user_id: int) -> User:
        user = self._records.users[user_id]
        if not user.active:
            raise Refusal("INVALID_CREDENTIALS")
        return user

    def _account(self, caller: Caller) -> str:
        """What the run time of a method is summed for: an application or a user's webhooks."""
        return caller.client_id or f"webhook of {caller.user.id}"

    def _time(self, method: Method, caller: Caller, started: float, before: float) -> Mapping[str, Any]:
        finished = self.clock()
        if not method.metered:
            return _time(started, before, finished)
        limits = self._records.limits
        nominal = limits.run_times.get(method.name, 0.0) if limits else 0.0
        seconds = max(0.0, finished - before) + nominal
        operating, reset_at = self._meter.add((method.name, self._account(caller)), seconds, now=finished)
        return {**_time(started, before, finished), "operating_reset_at": reset_at, "operating": operating}

    def _save(self) -> None:
        if self._file:
            self._file.save(self._records.to_seed())


def _envelope(served: Served) -> dict[str, Any]:
    envelope: dict[str, Any] = {"result": served.reply.result}
    if served.reply.next is not None:
        envelope["next"] = served.reply.next
    if served.reply.total is not None:
        envelope["total"] = served.reply.total
    return {**envelope, "time": served.time}


def _has_right(user: User, method: Method) -> bool:
    if method.right == "any":
        return True
    return user.crm == "administrator" if method.right == "crm-administrator" else user.crm != "none"


def _time(start: float, before: float, finish: float) -> dict[str, Any]:
    """The `time` object (Bitrix24 docs, "time"): seconds as numbers, dates as ISO 8601 without fractions.

    `start` to `finish` is the whole call, `processing` the method alone.
    """
    return {
        "start": start,
        "finish": finish,
        "duration": max(0.0, finish - start),
        "processing": max(0.0, finish - before),
        "date_start": _iso(start),
        "date_finish": _iso(finish),
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(int(moment), UTC).isoformat()
