"""`badge-bridge sign`: try a set-up before the provider is connected."""

from __future__ import annotations

import json
import secrets
import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

from badge_bridge.cli_options import JsonOption, RulesOption, load_rules, read_settings, run

__all__ = ["register"]


class Outcome(StrEnum):
    missed = "missed"
    answered = "answered"


def register(app: typer.Typer) -> None:
    app.command("sign")(sign)


def sign(
    source: Annotated[str, typer.Argument(help="The source, as the rules file calls it.")],
    rules: RulesOption = None,
    outcome: Annotated[Outcome, typer.Option(help="How the made-up call ends.")] = Outcome.missed,
    caller: Annotated[str, typer.Option(help="Who calls.")] = "+4930901820",
    line: Annotated[str, typer.Option(help="The number that is called.")] = "+4989654321",
    call: Annotated[
        str, typer.Option(help="An id for the call; the same again makes the same deliveries. Default: a new one.")
    ] = "",
    to: Annotated[
        str, typer.Option(help="Where the bridge is; what goes there is under /hooks.")
    ] = "http://127.0.0.1:8080",
    send_it: Annotated[bool, typer.Option("--send", help="Send it instead of printing it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a delivery as the provider of a source would sign it, and print it as curl or send it."""
    from badge_bridge.signing import RINGING, as_curl, samples, send, url_of
    from badge_bridge.sources.base import SampleCall

    now = time.time()
    told = SampleCall(
        id=call or secrets.token_hex(8), outcome=outcome.value, at=now - RINGING, now=now, caller=caller, line=line
    )
    deliveries = samples(load_rules(read_settings(rules, None)), source, told)
    if send_it:
        answers = run(send(to, source, deliveries))
        if as_json:
            print(json.dumps([{"status": status, "answer": text} for status, text in answers], indent=2))
        else:
            for status, text in answers:
                print(f"{status} {text}".strip())
        if any(status >= 300 for status, _ in answers):
            sys.exit(1)
    elif as_json:
        print(
            json.dumps(
                [
                    {
                        "method": one.method,
                        "url": url_of(to, source, one),
                        "headers": dict(one.headers),
                        "body": one.body.decode(),
                    }
                    for one in deliveries
                ],
                indent=2,
            )
        )
    else:
        for one in deliveries:
            print(as_curl(to, source, one))
