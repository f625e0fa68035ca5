"""How the bridge is let into its portals, as far as the rules file says."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from badge_bridge.access import handlers, limiter_of, open_beside, subscriptions_beside
from badge_bridge.errors import RulesError
from badge_bridge.portal.oauth import Handlers
from badge_bridge.rulesfile import RulesFile, parse
from badge_bridge.sources import OPTIONS
from badge_bridge.store.memory import MemoryStore
from support.oauth_world import KEY

TWILIO = '{provider: twilio, secrets: ["${TOKEN}"], portal: main, public_url: '
INSTALL = "https://b.example.com/install"
REWRITTEN = "  portal: {provider: bitrix24, portal: main, public_url: https://b.example.com/in/b24}"


def rules(
    sources: str, install_url: str = "", *, oauth: str = 'client_id: local.1, client_secret: "${KEY}"'
) -> RulesFile:
    more = f"    install_url: {install_url}\n" if install_url else ""
    text = f"""
portals:
  main:
    url: https://acme.bitrix24.com
    oauth: {{{oauth}}}
{more}  other:
    webhook: "${{HOOK}}"
sources:
{sources}
badges:
  missed: {{title: t, value: v, type: failure}}
rules:
  - {{name: missed, on: call.missed, badge: missed, portal: main}}
"""
    return parse(text, "r", providers=OPTIONS, environ=None)


@pytest.mark.parametrize(
    ("sources", "install_url", "expected"),
    [
        (
            "  portal: {provider: bitrix24, portal: main, public_url: https://b.example.com/hooks/portal}",
            "",
            Handlers("https://b.example.com/hooks/portal", INSTALL),
        ),
        (f"  reception: {TWILIO}https://b.example.com/hooks/reception}}", "", Handlers("", INSTALL)),
        (
            f"{REWRITTEN}\n  reception: {TWILIO}https://b.example.com/hooks/reception}}",
            "",
            Handlers("https://b.example.com/in/b24", INSTALL),
        ),
        (
            "  portal: {provider: bitrix24, portal: main, public_url: https://b.example.com/in/b24}",
            "",
            Handlers("https://b.example.com/in/b24", ""),
        ),
        (
            "  portal: {provider: bitrix24, portal: main, public_url: https://b.example.com/hooks/else}",
            "",
            Handlers("https://b.example.com/hooks/else", ""),
        ),
        (f"  reception: {TWILIO}http://b.example.com/hooks/reception}}", "", Handlers("", "")),
        (
            "  portal: {provider: bitrix24, portal: main, public_url: https://b.example.com/hooks/portal}",
            "https://b.example.com/in/b24/install",
            Handlers("https://b.example.com/hooks/portal", "https://b.example.com/in/b24/install"),
        ),
        (
            '  portal: {provider: bitrix24, secrets: ["${TOKEN}"], portal: other, public_url: https://b.example.com/hooks/portal}',
            "",
            Handlers("", INSTALL),
        ),
    ],
    ids=range(8),
)
def test_handlers_are_what_the_rules_file_says_of_our_addresses(
    sources: str, install_url: str, expected: Handlers
) -> None:
    """Calls go to the portal's own source, the application's life to the installation page beside any source."""
    assert handlers(rules(sources, install_url), "main") == expected


def test_an_installation_page_is_refused_when_the_portal_has_no_application() -> None:
    """An access token as it is installs nothing."""
    with pytest.raises(RulesError, match="install_url is for an application"):
        rules(f"  reception: {TWILIO}https://b.example.com/hooks/reception}}", INSTALL, oauth='access_token: "${KEY}"')


async def test_what_a_portal_sends_can_be_asked_beside_a_running_serve() -> None:
    """For the portal that is reached by an application; it reads the store that the serve has."""
    loaded = rules(f"  reception: {TWILIO}https://b.example.com/hooks/reception}}")
    async with AsyncExitStack() as stack:
        pauses = MemoryStore()
        await pauses.open()
        stack.push_async_callback(pauses.close)
        for name, entry in loaded.portals.items():
            portal = await open_beside(stack, entry, loaded, store=pauses, keys=(KEY,), pauses=pauses)
            subscriptions = subscriptions_beside(entry, portal, loaded, store=pauses, keys=(KEY,))
            assert (subscriptions is not None) == (name == "main")
            if subscriptions is not None:
                assert subscriptions.can_test
                assert not await subscriptions.knows_token()


async def test_requests_to_one_portal_are_counted_together_when_it_has_two_entries() -> None:
    """The portal counts by the sender's address, whatever we call it."""
    text = """
portals:
  cards: {url: "https://acme.bitrix24.com", oauth: {client_id: local.1, client_secret: "${KEY}"}}
  badges: {webhook: "${HOOK}"}
sources:
  reception: {provider: twilio, secrets: ["${TOKEN}"], portal: cards, public_url: "https://b.example.com/hooks/reception"}
badges: {missed: {title: t, value: v, type: failure}}
rules: [{name: missed, on: call.missed, badge: missed, portal: cards}]
"""
    hook = "https://acme.bitrix24.com/rest/1/0123456789abcdef/"
    loaded = parse(text, "r", providers=OPTIONS, environ={"KEY": KEY, "HOOK": hook, "TOKEN": "0" * 32})
    store = MemoryStore()
    await store.open()
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        raise TimeoutError

    limiters = [limiter_of(entry, store, clock=lambda: 1_000_000.0) for entry in loaded.portals.values()]
    for limiter in limiters:
        limiter._sleep = sleep
    admitted = 0
    while not waited:
        try:
            await limiters[admitted % 2].admitted()
        except TimeoutError:
            break
        admitted += 1
    assert admitted == 48
