"""`badge-bridge sign`: try a set-up before the provider is connected."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from badge_bridge.cli_options import (
    CallerOption,
    JsonOption,
    LineOption,
    Outcome,
    OutcomeOption,
    RulesOption,
    load_rules,
    read_settings,
    run,
)
from badge_bridge.errors import SettingsError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("sign")(sign)


def sign(
    source: Annotated[str, typer.Argument(help="The source, as the rules file calls it.")],
    rules: RulesOption = None,
    outcome: OutcomeOption = Outcome.missed,
    caller: CallerOption = "+4930901820",
    line: LineOption = "+4989654321",
    call: Annotated[
        str, typer.Option(help="An id for the call; the same again makes the same deliveries. Default: a new one.")
    ] = "",
    body: Annotated[
        Path | None,
        typer.Option(
            help="A file with the body to send, or - for standard input: for generic and cloudevents.",
            show_default=False,
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with a private key for trying, made where it is missing: for what is checked by a public key.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(help="Where the bridge is; what goes there is under /hooks.")
    ] = "http://127.0.0.1:8080",
    send_it: Annotated[bool, typer.Option("--send", help="Send it instead of printing it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a delivery as the provider of a source would sign it, and print it as curl or send it."""
    from badge_bridge.delivery_files import record
    from badge_bridge.signing import as_curl, made_up, samples, send, trial_key, url_of

    told = made_up(
        outcome=outcome.value,
        now=time.time(),
        call=call,
        caller=caller,
        line=line,
        body=_content(body) if body else b"",
        private_key=trial_key(key_file) if key_file else b"",
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
        print(json.dumps([record(one, url_of(to, source, one)) for one in deliveries], indent=2))
    else:
        for one in deliveries:
            print(as_curl(to, source, one))


def _content(file: Path) -> bytes:
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    if not content:
        raise SettingsError(f"--body {file} is empty")
    return content
