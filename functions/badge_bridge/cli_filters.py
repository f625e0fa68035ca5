"""Which events an operator means: the options by which they are looked for, the same for each command."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_options import fail, fail_without_rules, opened_to_read, quiet, run, say
from badge_bridge.errors import GoogleError, RulesError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.store.protocol import Listing, Store, StoredEvent
    from badge_bridge.store.wanted import Place, Wanted

__all__ = [
    "InOption",
    "KeyArgument",
    "KeysArgument",
    "LegsOption",
    "OutcomeOption",
    "PhoneOption",
    "RuleOption",
    "SinceOption",
    "SourceOption",
    "TypeOption",
    "UntilOption",
    "event_of",
    "full_page",
    "pages",
    "readable_rules",
    "tell_doubts",
    "wanted",
]

_PAGE = 500
_LOOKS = 10
"""Pages of a store that one page for a reader is made of, where much is looked at in vain."""
_SHOWN = 5
"""Keys that are listed where what was typed is the beginning of several."""

KeyArgument = Annotated[
    str,
    typer.Argument(
        help="The event's key, as the list prints it, or what no other key begins with.",
        autocompletion=cli_completion.keys,
    ),
]
KeysArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Keys of events, or what they begin with, instead of filters.",
        autocompletion=cli_completion.keys,
        show_default=False,
    ),
]
PhoneOption = Annotated[
    str | None,
    typer.Option(
        "--phone", help="Only events of the customer with this number, also as it is written in a source's country."
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Only events received then or later: 2h (ago), today, yesterday 18:00, 2026-01-31T18:00Z; local time "
        "where no offset says otherwise.",
    ),
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only events received before then, as --since.")]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Only events of this source.", autocompletion=cli_completion.sources)
]
TypeOption = Annotated[
    str | None,
    typer.Option("--type", help="Only events of this type, such as call.missed.", autocompletion=cli_completion.types),
]
InOption = Annotated[
    str | None,
    typer.Option(
        "--in",
        help="Only events that are waiting, working, done, ignored, joined or dead.",
        autocompletion=cli_completion.states,
    ),
]
RuleOption = Annotated[
    str | None,
    typer.Option("--rule", help="Only events that this rule has an outcome for.", autocompletion=cli_completion.rules),
]
LegsOption = Annotated[
    bool,
    typer.Option(
        "--legs", help="The legs of calls, too, that were joined; without it, only where --type or --in asks for them."
    ),
]
OutcomeOption = Annotated[
    str | None,
    typer.Option(
        "--outcome",
        help="Only events for which a rule (--rule, or any) came to this: ensured, badged, cleared, ignored or failed.",
        autocompletion=cli_completion.results,
    ),
]


def wanted(
    settings: Settings,
    *,
    phone: str | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
    type_: str | None = None,
    state: str | None = None,
    rule: str | None = None,
    outcome: str | None = None,
) -> Wanted:
    """What the options mean, each as it was typed. Where the number is to be read as in a source's country, and the
    rules file has mistakes, the command ends.

    Raises:
        SettingsError: one of them makes no sense.
    """
    from badge_bridge.configuration import without_secrets
    from badge_bridge.filters import name_of_rule, read_filters

    if rule is not None and not rule.isascii() and (known := readable_rules(settings)) is not None:
        rule = name_of_rule(rule, known)

    def rules() -> RulesFile:
        try:
            return run(without_secrets(settings, os.environ))
        except RulesError as error:
            fail_without_rules(
                error,
                f"{phone} is read as in the country of a source, which the rules file tells; "
                "with + and the digits of its country a number needs no rules file",
            )

    return read_filters(
        rules,
        phone=phone,
        since=since,
        until=until,
        source=source,
        type_=type_,
        state=state,
        rule=rule,
        outcome=outcome,
        now=time.time(),
    )


def tell_doubts(settings: Settings, looked_for: Wanted, *, before: Place | None = None, is_over: bool = True) -> None:
    """Say what may be mistyped among options that find nothing, as far as the rules file can be read; or which leave
    out the events of a customer who has some. Where it is not `is_over`, what is looked for may still come.
    """
    from badge_bridge.filters import doubts
    from badge_bridge.typed_times import in_words

    latest = None if looked_for.customer is None else run(_latest(settings, looked_for))
    if latest is not None and is_over:
        given = [option for option, value in (*_options(looked_for), ("--before", before)) if value is not None]
        leave = f": leave out {' and '.join(given)}" if given else ""
        say(f"{looked_for.customer} has events, the latest was received {in_words(latest)}{leave}")
    if not any((looked_for.source, looked_for.type, looked_for.rule, looked_for.customer)):
        return
    rules = readable_rules(settings)
    for doubt in doubts(looked_for, rules, is_known=latest is not None) if rules is not None else ():
        say(doubt)


def _options(looked_for: Wanted) -> Sequence[tuple[str, object]]:
    """Those beside --phone, with what each asks for."""
    return (
        ("--since", looked_for.since),
        ("--until", looked_for.until),
        ("--source", looked_for.source),
        ("--type", looked_for.type),
        ("--in", looked_for.state),
        ("--rule", looked_for.rule),
        ("--outcome", looked_for.result),
    )


async def _latest(settings: Settings, looked_for: Wanted) -> float | None:
    from badge_bridge.filters import latest_at_all

    async with opened_to_read(settings) as store:
        return await latest_at_all(store, looked_for)


def readable_rules(settings: Settings) -> RulesFile | None:
    """The rules of now; None where they cannot be read, for who can do without them."""
    from badge_bridge.configuration import without_secrets

    try:
        rules = run(without_secrets(settings, os.environ))
    except (RulesError, GoogleError, SettingsError):
        return None
    quiet(rules)
    return rules


async def pages(store: Store, looked_for: Wanted) -> AsyncIterator[Listing]:
    """The pages of all events that are wanted, newest first."""
    page = await store.list(looked_for, limit=_PAGE)
    yield page
    while page.more is not None:
        page = await store.list(looked_for, limit=_PAGE, before=page.more)
        yield page


async def full_page(store: Store, looked_for: Wanted, *, limit: int, before: Place | None) -> Listing:
    """A page that is full, where there are so many and it does not take too long to find them."""
    page = await store.list(looked_for, limit=limit, before=before)
    for _ in range(_LOOKS - 1):
        if page.more is None or len(page.events) == limit:
            break
        rest = await store.list(looked_for, limit=limit - len(page.events), before=page.more)
        page = replace(rest, events=(*page.events, *rest.events))
    return page


async def event_of(store: Store, typed: str) -> StoredEvent | None:
    """As `filters.the_one`; where there are several, they are named, and the command ends."""
    from badge_bridge.filters import SeveralKeys, the_one

    try:
        return await the_one(store, typed, listed=_SHOWN)
    except SeveralKeys as error:
        fail(f"{typed} is the beginning of several keys: {error}; type more of the one that is meant", 1)
