"""`badge-bridge check`: what is wrong with a rules file, and what is probably not meant in it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from badge_bridge.cli_options import read_settings, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from badge_bridge.errors import Finding

__all__ = ["as_json", "register"]


def register(app: typer.Typer) -> None:
    app.command("check")(check)


def check(
    rules: Annotated[
        str | None,
        typer.Argument(
            help="The rules file, or gs://BUCKET/OBJECT. Default: RULES, else rules.yaml.", show_default=False
        ),
    ] = None,
    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets/--no-secrets",
            help="Whether every ${NAME} must be set in the environment, and every sm:// be readable.",
        ),
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where there are warnings.")] = False,
    lines: Annotated[
        bool | None,
        typer.Option(
            "--lines/--no-lines",
            help="Whether to show the line of each finding, and where in it. Default: on a terminal.",
            show_default=False,
        ),
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Report every mistake in a rules file, and what is probably not meant, with line, column and what to write."""
    from badge_bridge.configuration import examined
    from badge_bridge.terminal_findings import print_findings

    found = run(examined(read_settings(rules, None), os.environ, secrets=secrets))
    if as_json_:
        print(json.dumps([as_json(finding) for finding in found.findings], indent=2))
    else:
        print_findings(found.findings, sys.stdout, lines=lines)
        if found.rules is not None:
            print(f"{found.rules.filename}: {_verdict(found.findings)}: {found.rules.extent}")
    if found.rules is None or (strict and any(finding.severity == "warning" for finding in found.findings)):
        sys.exit(1)


def as_json(finding: Finding) -> dict[str, Any]:
    """A finding as JSON; `end` is the column behind what is meant, 0 where that is not known."""
    fields = ("file", "line", "column", "end", "severity", "code", "message", "help")
    return {name: getattr(finding, name) for name in fields}


def _verdict(findings: Sequence[Finding]) -> str:
    from badge_bridge.plural import counted

    warnings = sum(finding.severity == "warning" for finding in findings)
    return f"no mistake, {counted(warnings, 'warning')}" if warnings else "fine"
