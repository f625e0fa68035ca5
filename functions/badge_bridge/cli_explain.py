"""`badge-bridge explain`: the whole judgement of a delivery or a stored event, with nothing stored and nothing sent."""

from __future__ import annotations

import json
import re
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from badge_bridge.cli_options import (
    CallerOption,
    JsonOption,
    LineOption,
    Outcome,
    OutcomeOption,
    RulesOption,
    StateOption,
    fail,
    load_rules,
    missing_store,
    opened_store,
    quiet,
    read_settings,
    run,
)
from badge_bridge.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from badge_bridge.explain import Explanation
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.sources.base import Delivery, Source
    from badge_bridge.store.protocol import Store

__all__ = ["register"]

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*:[0-9a-f]{32}")
_LARGEST = 16 * 1024 * 1024


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="A stored event's key; a source, of which a sample is made up; a file with a delivery, as sign --json "
            "prints it or as it goes over the wire; or - for such a file on standard input.",
            show_default=False,
        ),
    ],
    rules: RulesOption = None,
    state: StateOption = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="When the delivery was received, such as 2026-01-31T12:00:00Z: signatures have an age. Default: now.",
            show_default=False,
        ),
    ] = None,
    outcome: OutcomeOption = Outcome.missed,
    caller: CallerOption = "+4930901820",
    line: LineOption = "+4989654321",
    every_rule: Annotated[
        bool, typer.Option("--every-rule", help="List all rules that the event does not concern, however many.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the whole judgement of a delivery or a stored event: verified how, read as what, and what each rule says."""
    from badge_bridge.explain_json import as_json as in_json
    from badge_bridge.signing import made_up, samples
    from badge_bridge.terminal_explain import print_explanation

    settings = read_settings(rules, state)
    loaded = load_rules(settings)
    quiet(loaded)
    now = _moment(at)
    if _KEY.fullmatch(what):
        explanation = run(_stored(loaded, settings, what))
    else:
        if what in loaded.sources:
            call = made_up(outcome=outcome.value, now=now, caller=caller, line=line)
            deliveries: Sequence[tuple[str, Delivery]] = [(what, one) for one in samples(loaded, what, call)]
        else:
            deliveries = _from_file(what, loaded, now)
        explanation = run(_deliveries(loaded, settings, deliveries))
    if as_json:
        print(json.dumps(in_json(explanation), indent=2))
    else:
        print_explanation(explanation, every_rule=every_rule)
    if not explanation.genuine:
        sys.exit(1)


async def _stored(rules: RulesFile, settings: Settings, key: str) -> Explanation:
    from badge_bridge.explain import explain_stored

    async with opened_store(settings) as store:
        stored = await store.get(key)
        if stored is None:
            fail(f"there is no event {key}; badge-bridge events list prints the keys", 1)
        return await explain_stored(rules, stored, store=store)


async def _deliveries(rules: RulesFile, settings: Settings, deliveries: Sequence[tuple[str, Delivery]]) -> Explanation:
    from badge_bridge.explain import explain_deliveries
    from badge_bridge.sources import SourceOptions, build

    async with AsyncExitStack() as stack:
        sources = {name: build(name, cast("SourceOptions", options)) for name, options in rules.sources.items()}
        store = None if missing_store(settings) else await stack.enter_async_context(opened_store(settings))
        if store is not None:
            await _offer_tokens(rules, settings, sources, store)
        return await explain_deliveries(rules, sources, deliveries, store=store)


async def _offer_tokens(rules: RulesFile, settings: Settings, sources: dict[str, Source[Any]], store: Store) -> None:
    """The tokens that an installation has left, for sources that are verified by them."""
    from badge_bridge.access import tokens_of

    late = [source for source in sources.values() if source.late_secrets]
    if late and settings.encryption_keys:
        tokens = tokens_of(rules, store=store, keys=settings.encryption_keys, clock=time.time)
        for source in late:
            source.offer_secrets(await tokens.tokens(rules.portal_of[source.name]))


def _from_file(what: str, rules: RulesFile, at: float) -> Sequence[tuple[str, Delivery]]:
    from badge_bridge.delivery_files import NotADelivery, parse

    path = Path(what)
    try:
        content = sys.stdin.buffer.read(_LARGEST) if what == "-" else path.read_bytes()[:_LARGEST]
    except OSError as error:
        fail(
            f"{what} is neither the key of an event, such as reception:47937ddb128e28dee6df8bb71a83b0b5, nor a source "
            f"({', '.join(rules.sources)}), nor a file that can be read ({error.strerror or error})",
            2,
        )
    try:
        return parse(content, at=at)
    except NotADelivery as error:
        fail(f"{'standard input' if what == '-' else what}: {error}", 1)


def _moment(text: str | None) -> float:
    if text is None:
        return time.time()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--at {text!r} is no time; write it such as 2026-01-31T12:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
