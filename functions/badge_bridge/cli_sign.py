"""`badge-bridge sign`: try a set-up before the provider is connected."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_options import (
    JsonOption,
    RulesOption,
    StateOption,
    load_rules,
    missing_store,
    read_settings,
    run,
    unused_store,
)
from badge_bridge.cli_samples import (
    BodyOption,
    CallerOption,
    KeyFileOption,
    LineOption,
    Outcome,
    OutcomeOption,
    made_up_call,
    sources_at_work,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from badge_bridge.rulesfile import RulesFile
    from badge_bridge.settings import Settings
    from badge_bridge.sources.base import Delivery, SampleCall, Source

__all__ = ["register"]

_USUAL = "http://127.0.0.1:8080"
"""Where `serve` is, unless it is told otherwise."""

_MEANS = {
    401: "the secret is another one there than here, or the clock, or the address that counts",
    404: "the rules file there has no such source",
    422: "this delivery is read there as none of that provider's",
    503: "it could not be stored there",
}
"""What to look at after an answer. Who signs has the secret: he may be told more than a sender."""


def register(app: typer.Typer) -> None:
    app.command("sign")(sign)


def sign(
    source: Annotated[
        str, typer.Argument(help="The source, as the rules file calls it.", autocompletion=cli_completion.sources)
    ],
    rules: RulesOption = None,
    state: StateOption = None,
    outcome: OutcomeOption = Outcome.missed,
    caller: CallerOption = "+4930901820",
    line: LineOption = "+4989654321",
    call: Annotated[
        str, typer.Option(help="An id for the call; the same again makes the same deliveries. Default: a new one.")
    ] = "",
    body: BodyOption = None,
    key_file: KeyFileOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="Where the bridge is: its address, or the source's whole URL. Default: where a serve with this store "
            f"listens, else {_USUAL}.",
            show_default=False,
        ),
    ] = None,
    send_it: Annotated[bool, typer.Option("--send", help="Send it instead of printing it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a delivery as the provider of a source would sign it, and print it as curl or send it."""
    from badge_bridge import curl_commands
    from badge_bridge.delivery_files import record
    from badge_bridge.signing import SampleNotSent, bridge_at, doubts, seconds_to_judge, send, url_of
    from badge_bridge.terminal_text import harmless

    settings = read_settings(rules, state)
    # Before the rules: a key that is new has to be told to whoever writes them.
    told = made_up_call(
        outcome=outcome, now=time.time(), caller=caller, line=line, body=body, key_file=key_file, call=call
    )
    settings, loaded = load_rules(settings)
    # Before it is opened here.
    is_served = settings.state.startswith("sqlite:") and not (missing_store(settings) or unused_store(settings))
    bridge = bridge_at(to, source) if to is not None else ""
    signer, deliveries, found = run(_samples(loaded, settings, source, told))
    bridge = bridge or (found if is_served else "") or _USUAL
    refused = doubts(signer, deliveries)
    _say_doubts(loaded, source, caller, refused)
    if send_it:
        answers = run(send(bridge, source, deliveries))
        if as_json:
            print(json.dumps([{"status": status, "answer": text} for status, text in answers], indent=2))
        else:
            for one, (status, text) in zip(deliveries, answers, strict=True):
                print(harmless(f"{status} from {url_of(bridge, source, one)} {text}".strip()))
        for status in dict.fromkeys(status for status, _ in answers if status in _MEANS):
            print(f"note: {status} means that {_MEANS[status]}; the log of serve says more", file=sys.stderr)
        if any(status >= 300 for status, _ in answers):
            sys.exit(1)
        wait = 0.0 if refused else seconds_to_judge(signer, deliveries)
        if wait and not as_json:
            print(f"the call is judged {wait:.0f} s after its last delivery")
    elif as_json:
        print(json.dumps([record(one, url_of(bridge, source, one)) for one in deliveries], indent=2))
    else:
        for one in deliveries:
            try:
                print(curl_commands.write(one, url_of(bridge, source, one)))
            except ValueError as error:
                raise SampleNotSent(f"the body is not for a command: {error}; use --send, or --json") from error


def _say_doubts(rules: RulesFile, source: str, caller: str, refused: Sequence[str]) -> None:
    from badge_bridge.spellings import E164, readings
    from badge_bridge.terminal_text import harmless

    if not any(E164.fullmatch(number) for number in readings(rules, caller)):
        note = (
            f"note: --caller {caller} is no telephone number, such as +4930901820, so that no customer is found by it"
        )
        print(harmless(note), file=sys.stderr)
    for doubt in refused:
        print(harmless(f"note: as the rules file has {source}, this is refused with {doubt}"), file=sys.stderr)


async def _samples(
    rules: RulesFile, settings: Settings, source: str, call: SampleCall
) -> tuple[Source[Any], Sequence[Delivery], str]:
    """The source, its deliveries, and where the `serve` that last used the store takes them."""
    from badge_bridge.signing import samples
    from badge_bridge.whereabouts import HOOKS, address

    async with sources_at_work(rules, settings) as (sources, store):
        made = samples(sources, source, call)
        return sources[source], made, await address(store, of=HOOKS) if store is not None else ""
