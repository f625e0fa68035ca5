"""The command line: `badge-bridge demo | sandbox | schema`.

Others are in modules of their own: `serve`, `events`, `key | authorize`, `console`, `sign`, `explain`, `check`,
`doctor | sync | fetch | resume | clear | erase`, `backup | restore`, `stats`; what a shell completes is in
`cli_completion`.

Exit codes: 0 fine, 1 found problems, 2 used wrongly. `--json` on everything that prints a table.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

try:
    import typer
except ImportError:
    sys.exit('badge-bridge: the command line needs the extra "cli": pip install "badge-bridge[cli]"')

from badge_bridge import (
    __version__,
    cli_backup,
    cli_check,
    cli_completion,
    cli_console,
    cli_events,
    cli_explain,
    cli_oauth,
    cli_portal,
    cli_serve,
    cli_sign,
    cli_stats,
)
from badge_bridge.cli_group import Commands
from badge_bridge.cli_options import fail, run
from badge_bridge.errors import BridgeError, RulesError, SettingsError

if TYPE_CHECKING:
    from badge_bridge.sandbox.portal import SandboxPortal

__all__ = ["app", "main"]

app = typer.Typer(
    name="badge-bridge",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(cli_events.commands, name="events")
app.add_typer(cli_oauth.commands)
app.add_typer(cli_console.commands)

cli_serve.register(app)
cli_portal.register(app)
cli_sign.register(app)
cli_explain.register(app)
cli_backup.register(app)
cli_check.register(app)
cli_stats.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"badge-bridge {__version__}")
        raise typer.Exit


@app.callback()
def badge_bridge(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Turn signed webhooks, such as a missed call, into badges on Bitrix24 CRM cards."""


def main(**clocks: Any) -> NoReturn:
    """Run the command line. Every error of ours is one message and an exit code, never a traceback.

    `clocks` are what `serve` goes by, as `open_bridge` takes them.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ✓ gets a ?
    cli_completion.as_bash_splits(os.environ)
    cli_completion.from_the_first_tab_on()
    try:
        app(obj=clocks, prog_name="badge-bridge")
    except RulesError as error:
        from badge_bridge.terminal_findings import print_findings

        print_findings(error.findings, sys.stderr)  # one finding a line, nothing before it, as editors and scripts read
        sys.exit(1)
    except SettingsError as error:
        fail(str(error), 2)
    except BridgeError as error:
        fail(str(error), 1)
    except BrokenPipeError:
        # Whoever read the output has had enough. Nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        fail(str(error), 1)
    sys.exit(0)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after the story instead of staying up.")] = False,
) -> None:
    """Show the whole job on this machine: a sandbox portal, the bridge, two missed calls and a forgery."""
    from badge_bridge.demo import play
    from badge_bridge.observability import logs

    # The story tells what happens; its forgery need not be warned of as well.
    logs.configure("console", "ERROR")
    if not run(play(once=once)):
        sys.exit(1)


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8090,
    state: Annotated[Path | None, typer.Option(help="Keep the portal in this file across restarts.")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Speak https with a throw-away certificate authority.")] = False,
) -> None:
    """Run a local portal that behaves like Bitrix24, faults included."""
    run(_sandbox(host, port, state, tls=tls))


async def _sandbox(host: str, port: int, state: Path | None, *, tls: bool) -> None:
    import tempfile
    from contextlib import ExitStack

    from badge_bridge.sandbox.portal import SandboxPortal
    from badge_bridge.sandbox.serving import SandboxServer
    from badge_bridge.sandbox.tls import throwaway_tls
    from badge_bridge.serving import until_signal

    with ExitStack() as stack:
        papers = None
        if tls:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="badge-bridge-sandbox-"))
            papers = throwaway_tls(Path(folder))
        portal = SandboxPortal(state_file=state)
        async with SandboxServer(portal, host=host, port=port, tls=papers) as server:
            print(f"sandbox portal  {server.url}")
            print(f"webhook         {portal.webhook_url(server.url)}")
            print(f"request log     {server.url}/_sandbox/requests")
            print(f"everything else {server.url}/_sandbox/")
            if papers:
                print(f"trust its CA    SSL_CERT_FILE={papers.ca} (REQUESTS_CA_BUNDLE for requests)")
            _print_portals_block(portal, server.url)
            sys.stdout.flush()
            await until_signal()


def _print_portals_block(portal: SandboxPortal, url: str) -> None:
    """What to write in a rules file for the whole job, for which a webhook does not do, and how to be let in."""
    from badge_bridge.sandbox.guide import SECRET_NAME, portals_block
    from badge_bridge.sandbox.seed import CLIENT_URL

    block = portals_block(portal, url)
    if not block:
        return
    application = portal.seed.applications[0]
    back = application.handler or CLIENT_URL
    print(f"\nFor a rules file, with {SECRET_NAME}={application.client_secret} and an ENCRYPTION_KEY:\n")
    print("\n".join(block))
    print(
        f"\nWhile serve is running, the link of `badge-bridge authorize` lets it in, by way of {back};"
        f'\nor install it: curl -d \'{{"url": "{back}"}}\' {url}/_sandbox/install'
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of the rules file, for editors."""
    from badge_bridge.rulesfile.schema import json_schema
    from badge_bridge.sources import OPTIONS

    print(json.dumps(json_schema(OPTIONS), indent=2))


if __name__ == "__main__":
    main()
