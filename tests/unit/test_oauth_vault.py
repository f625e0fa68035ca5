"""How tokens are stored, and the tickets that go through other hands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from badge_bridge.errors import SettingsError, StoreUnavailable
from badge_bridge.portal.oauth import ApplicationTokens, Cipher, Tickets, WrongEncryptionKey, new_key, open_vault
from badge_bridge.portal.oauth.tickets import LIFETIME
from badge_bridge.portal.oauth.tokens import FRESH
from badge_bridge.store.protocol import Note
from support.oauth_world import APPLICATION_TOKEN, KEY, OTHER_KEY, START, World, application

NAME = "oauth/main"


@pytest.fixture
def world() -> World:
    return World()


async def test_a_grant_comes_back_as_it_was_when_it_was_stored(world: World) -> None:
    """Everything is kept, and nothing of it can be read in the store."""
    grant = await world.install(scope=("crm",), user_id=7)
    assert await world.stored() == grant
    text = world.store.notes[NAME].text
    assert not [secret for secret in (*world.secrets(), grant.member_id, "crm") if secret in text]


async def test_a_write_is_refused_when_somebody_else_was_faster(world: World) -> None:
    """Both writing and removing compare the version that was read."""
    grant = await world.install()
    vault = open_vault(application(), store=world.store, keys=(KEY,))
    assert not await vault.save(grant, version=0)
    assert not await vault.remove(version=0)
    assert await vault.remove(version=1)
    assert (await vault.load()).grant is None
    assert (await vault.load()).version == 2


async def test_there_is_no_grant_when_the_note_was_emptied(world: World) -> None:
    """Its version goes on counting."""
    world.store.notes[NAME] = Note("", 3)
    stored = await open_vault(application(), store=world.store, keys=(KEY,)).load()
    assert (stored.grant, stored.version) == (None, 3)


@pytest.mark.parametrize("text", ["x", "gAAAAA", "ä"])
async def test_the_setting_is_named_when_a_note_was_altered(world: World, text: str) -> None:
    """What does not decrypt is an error with a remedy, and not the same as nothing."""
    world.store.notes[NAME] = Note(text, 3)
    vault = open_vault(application(), store=world.store, keys=(KEY,))
    with pytest.raises(WrongEncryptionKey, match=r"ENCRYPTION_KEY.*badge-bridge authorize main") as caught:
        await vault.load()
    assert caught.value.version == 3


async def test_a_note_of_another_version_is_not_quoted_when_it_cannot_be_read(world: World) -> None:
    """The fields of a form that this version does not know stay secret."""
    world.store.notes[NAME] = Note(Cipher((KEY,)).seal('{"access_token": 5, "refresh": "s3cr3t-1"}'), 1)
    with pytest.raises(WrongEncryptionKey) as caught:
        await open_vault(application(), store=world.store, keys=(KEY,)).load()
    assert caught.value.__cause__ is None
    assert "s3cr3t-1" not in str(caught.value)


def test_the_first_key_encrypts_and_all_decrypt_when_there_are_several() -> None:
    """So a key is replaced without a moment in which something cannot be read."""
    sealed = Cipher((OTHER_KEY, KEY)).seal("text")
    assert Cipher((OTHER_KEY,)).unseal(sealed) == "text"
    assert Cipher((KEY,)).unseal(sealed) is None
    assert Cipher((KEY, OTHER_KEY)).unseal(sealed) == "text"


@pytest.mark.parametrize(("keys", "said"), [((), "is not set"), (("no key",), "has a key that is none")])
def test_the_command_that_makes_a_key_is_named_when_there_is_no_good_one(keys: tuple[str, ...], said: str) -> None:
    """The error does not repeat what may be most of a key."""
    with pytest.raises(SettingsError, match=f"ENCRYPTION_KEY {said}.*badge-bridge key") as caught:
        Cipher(keys)
    assert "no key" not in str(caught.value)


def test_a_new_key_can_be_used_when_it_was_printed() -> None:
    """Each one is another one."""
    key = new_key()
    assert key != new_key()
    assert Cipher((key,)).unseal(Cipher((key,)).seal("ü")) == "ü"


def ticket(*, now: float = START, portal: str = "main", key: str = KEY) -> str:
    return Tickets(portal, (key,)).issue("authorize", nonce="n0nce", now=now)


def test_a_ticket_is_good_when_it_is_ours_and_young() -> None:
    """It comes back with its nonce; one that was signed with a key that is being replaced is good as well."""
    read = Tickets("main", (OTHER_KEY, KEY)).read(ticket(), "authorize", now=START + LIFETIME - 1)
    assert read is not None
    assert (read.portal, read.nonce) == ("main", "n0nce")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "....",
        "main.authorize.99999999999.n0nce.",
        "main.authorize.99999999999.n0nce.AAAA",
        "mäin.authorize.99999999999.n0nce.AAAA",
        ticket(key=OTHER_KEY),
        ticket(portal="other"),
        ticket(now=START - LIFETIME),
        ticket(now=START + LIFETIME + 1),
        ticket() + "x",
        "x" + ticket(),
        ticket().replace("authorize", "test"),
        ticket().replace("n0nce", "n1nce"),
        ticket() * 20,
    ],
    ids=range(14),
)
def test_a_ticket_is_refused_when_it_is_forged_foreign_old_or_from_the_future(text: str) -> None:
    """Nothing of a ticket can be changed, and it is good for one portal and ten minutes."""
    assert Tickets("main", (KEY,)).read(text, "authorize", now=START) is None


def test_a_ticket_is_refused_when_it_was_issued_for_something_else() -> None:
    """A link's state cannot stand in for the nonce of a test event."""
    assert Tickets("main", (KEY,)).read(ticket(), "test", now=START) is None


async def test_an_application_token_is_known_soon_when_another_process_installs(world: World) -> None:
    """It is read again after half a minute, and sooner where a delivery's token did not match."""
    tokens = ApplicationTokens({"main": open_vault(application(), store=world.store, keys=(KEY,))}, clock=world.clock)
    assert await tokens.tokens("main") == ()
    await world.install()
    assert await tokens.tokens("main") == ()
    assert await tokens.tokens("main", again=True) == ()
    world.now += 1
    assert await tokens.tokens("main", again=True) == (APPLICATION_TOKEN,)
    await world.install(application_token="another")
    world.now += FRESH
    assert await tokens.tokens("main") == ("another",)
    await world.install(application_token="")
    tokens.forget("main")
    assert await tokens.tokens("main") == ()


async def test_an_application_token_is_forgotten_everywhere_when_rules_were_reloaded(world: World) -> None:
    """An installation that was begun before the reload ends in what was open then."""
    vaults = {"main": open_vault(application(), store=world.store, keys=(KEY,))}
    before = ApplicationTokens(vaults, clock=world.clock)
    after = ApplicationTokens(vaults, clock=world.clock, before=before)
    assert await after.tokens("main") == ()
    await world.install()
    before.forget("main")
    assert await after.tokens("main") == (APPLICATION_TOKEN,)


async def test_a_known_application_token_serves_on_when_the_store_cannot_be_read(world: World) -> None:
    """Events come once: a store that fails for a moment must not cost any whose token is known."""
    await world.install()
    tokens = ApplicationTokens({"main": open_vault(application(), store=world.store, keys=(KEY,))}, clock=world.clock)
    world.store.broken = {"note"}
    with pytest.raises(StoreUnavailable):
        await tokens.tokens("main")
    world.store.broken = set()
    await tokens.tokens("main")
    world.store.broken = {"note"}
    world.now += 2 * FRESH
    assert await tokens.tokens("main") == (APPLICATION_TOKEN,)


async def test_nobody_is_let_in_when_the_application_token_cannot_be_decrypted(world: World) -> None:
    """It is an outage, not a missing token."""
    await world.install()
    vault = open_vault(application(), store=world.store, keys=(OTHER_KEY,))
    with pytest.raises(StoreUnavailable, match="ENCRYPTION_KEY"):
        await ApplicationTokens({"main": vault}, clock=world.clock).tokens("main")


async def test_no_secret_is_shown_when_a_grant_is_printed(world: World) -> None:
    """Printing shows which installation it is, and none of its three tokens."""
    grant = await world.install()
    renewed = replace(application(), client_secret="other")
    for shown in (
        repr(grant),
        str(grant),
        repr(renewed),
        repr(await open_vault(application(), store=world.store, keys=(KEY,)).load()),
    ):
        assert not [secret for secret in (*world.secrets(), "other") if secret in shown]
    assert grant.member_id in repr(grant)
