"""The commands that an OAuth application needs: `badge-bridge key` and `badge-bridge authorize`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from badge_bridge import cli_completion
from badge_bridge.cli_options import RulesOption, load_rules, read_settings
from badge_bridge.errors import SettingsError

if TYPE_CHECKING:
    from badge_bridge.portal.oauth import Application

__all__ = ["commands", "one_of"]

commands = typer.Typer()


@commands.command()
def key() -> None:
    """Print a new key for ENCRYPTION_KEY, with which the tokens of an OAuth application are stored."""
    from badge_bridge.portal.oauth import new_key

    print(new_key())


@commands.command()
def authorize(
    portal: Annotated[
        str | None,
        typer.Argument(
            help="The portal's name in the rules file, where there are several.", autocompletion=cli_completion.portals
        ),
    ] = None,
    rules: RulesOption = None,
) -> None:
    """Print a link that lets the application into its portal: for an administrator, good for 10 minutes and once.

    The bridge has to be running at the address that the application has as its handler.
    """
    from badge_bridge.access import application
    from badge_bridge.portal.oauth import Cipher, Tickets

    settings, loaded = load_rules(read_settings(rules, None))
    found = {name: application(entry) for name, entry in loaded.portals.items()}
    chosen = one_of({name: one for name, one in found.items() if one is not None}, portal)
    Cipher(settings.encryption_keys)  # says what is missing
    tickets = Tickets(chosen.portal, settings.encryption_keys)
    print(chosen.authorize_url(tickets.issue("authorize", nonce=secrets.token_hex(16), now=time.time())))


def one_of(applications: Mapping[str, Application], portal: str | None) -> Application:
    """The application of the portal that is meant; the only one where none is named.

    Raises:
        SettingsError: there is none, or several and none is named.
    """
    if not applications:
        raise SettingsError(
            "no portal of the rules file is reached by an OAuth application; write client_id and client_secret at its "
            "oauth"
        )
    if portal is None and len(applications) == 1:
        return next(iter(applications.values()))
    if portal is None or portal not in applications:
        said = "say which portal" if portal is None else f"portal {portal} has no OAuth application"
        raise SettingsError(f"{said}; the rules file has one for {', '.join(sorted(applications))}")
    return applications[portal]
