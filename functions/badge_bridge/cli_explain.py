"""`badge-bridge explain`: the whole judgement of a delivery or a stored event, with nothing stored and nothing sent."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_filters import event_of
from badge_bridge.cli_options import (
    JsonOption,
    RulesOption,
    StateOption,
    fail,
    load_rules,
    opened_store,
    quiet,
    read_settings,
    run,
)
from badge_bridge.cli_samples import (
    BodyOption,
    CallerOption,
    KeyFileOption,
    LineOption,
    Outcome,
    OutcomeOption,
    content_of,
    made_up_call,
    only_for,
    sources_at_work,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from badge_bridge.explain import Explanation
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.sources.base import Delivery, SampleCall, Source

    _Made = Callable[[Mapping[str, Source[Any]]], Sequence[tuple[str, Delivery]]]

__all__ = ["register"]

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*:[0-9a-f]{1,32}")
"""Of an event, or how one begins."""
_LARGEST = 4 * 1024 * 1024
"""Bytes of a file: a delivery has at most one mebibyte, as JSON perhaps twice that."""
_MADE_UP = ("outcome", "caller", "line", "body", "key_file")
"""Options of a call that is made up."""


def register(app: typer.Typer) -> None:
    app.command("explain")(explain)


def explain(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="A stored event's key, or what no other key begins with; a source, of which a sample is made up; a "
            "file with a delivery, as sign prints it or as it goes over the wire; or - for such a file on standard "
            "input.",
            show_default=False,
            autocompletion=cli_completion.sources_and_keys,
        ),
    ],
    rules: RulesOption = None,
    state: StateOption = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="When the delivery was received, such as 2h (ago), yesterday 18:00 or 2026-01-31T12:00Z: signatures "
            "have an age. Default: now.",
            show_default=False,
        ),
    ] = None,
    outcome: OutcomeOption = Outcome.missed,
    caller: CallerOption = "+4930901820",
    line: LineOption = "+4989654321",
    body: BodyOption = None,
    key_file: KeyFileOption = None,
    every_rule: Annotated[
        bool, typer.Option("--every-rule", help="List all rules that do nothing, however many.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the whole judgement of a delivery or a stored event: verified how, read as what, and what each rule says."""
    from badge_bridge.explain_json import as_json as in_json
    from badge_bridge.terminal_explain import WEIGHED, print_explanation
    from badge_bridge.typed_times import read_time

    settings = read_settings(rules, state)
    weighed = None if as_json or every_rule else WEIGHED
    if _KEY.fullmatch(what) and not Path(what).exists():
        only_for("deliveries, and this is a stored event", context, ["at", *_MADE_UP])
        explanation = run(_stored(settings, what, weighed))
    else:
        now = time.time() if at is None else read_time(at, now=time.time())
        settings, loaded = load_rules(settings)
        quiet(loaded)
        if what not in loaded.sources:
            only_for("samples, which are made up where a source is named", context, _MADE_UP)
        call = made_up_call(outcome=outcome, now=now, caller=caller, line=line, body=body, key_file=key_file)
        # A file is read before the loop runs, which Ctrl-C could not end while it waits for standard input.
        made = partial(_sampled, what, call) if what in loaded.sources else _from_file(what, loaded, now)
        explanation = run(_deliveries(loaded, settings, made, weighed))
    if as_json:
        print(json.dumps(in_json(explanation), indent=2))
    else:
        print_explanation(explanation, every_rule=every_rule)
    if not explanation.genuine:
        sys.exit(1)


async def _stored(settings: Settings, key: str, weighed: int | None) -> Explanation:
    from badge_bridge.configuration import without_secrets
    from badge_bridge.explain import explain_stored

    # Nothing is verified, so that no secret has to be known.
    rules = await without_secrets(settings, os.environ)
    async with opened_store(settings) as store:
        stored = await event_of(store, key)
        if stored is None:
            fail(f"there is no event {key} in {settings.state}; badge-bridge events list prints the keys", 1)
        return await explain_stored(rules, stored, store=store, weighed=weighed)


async def _deliveries(rules: RulesFile, settings: Settings, made: _Made, weighed: int | None) -> Explanation:
    from badge_bridge.explain import explain_deliveries

    async with sources_at_work(rules, settings) as (sources, store):
        return await explain_deliveries(rules, sources, made(sources), store=store, weighed=weighed)


def _sampled(source: str, call: SampleCall, sources: Mapping[str, Source[Any]]) -> Sequence[tuple[str, Delivery]]:
    from badge_bridge.signing import samples

    return [(source, one) for one in samples(sources, source, call)]


def _from_file(what: str, rules: RulesFile, at: float) -> _Made:
    from badge_bridge.delivery_files import NotADelivery, parse

    try:
        content = content_of(what, _LARGEST)
    except OSError as error:
        fail(
            f"{what} is neither the key of an event, such as reception:47937ddb128e28dee6df8bb71a83b0b5, nor a "
            f"source ({', '.join(rules.sources)}), nor a file that can be read ({error.strerror or error})",
            2,
        )
    where = "standard input" if what == "-" else what
    if len(content) > _LARGEST:
        fail(f"{where} has more than {_LARGEST:,} bytes; no delivery is that large", 1)
    try:
        deliveries = parse(content, at=at)
    except NotADelivery as error:
        fail(f"{where}: {error}", 1)
    return lambda _: deliveries
