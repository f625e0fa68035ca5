"""Giving out and renewing an application's tokens, in one process and in several."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from badge_bridge.errors import AccessRefused, OutcomeUnknown, PortalUnreachable, StoreUnavailable
from badge_bridge.portal.credentials import Credential
from badge_bridge.portal.oauth import OAuthKeyring, open_keyring
from badge_bridge.portal.oauth.keyring import FRESH, HOLD, KEEP_ALIVE, POLL, POLLS
from badge_bridge.store.protocol import Note
from support.oauth_world import CLIENT_SECRET, KEY, OTHER_KEY, World, application

REFRESH = "oauth/main/refresh"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def keyring(world: World) -> AsyncIterator[OAuthKeyring]:
    keyring = world.keyring()
    yield keyring
    await keyring.aclose()


async def test_the_credential_is_for_the_address_of_the_rules_file_when_installed(
    world: World, keyring: OAuthKeyring
) -> None:
    """The stored token is sent to the portal that the rules file names, whatever an installation called it."""
    grant = await world.install(host="evil.example")
    credential = await keyring.current()
    assert credential.address("profile") == "https://acme.bitrix24.com/rest/profile"
    assert credential.body({}) == {"auth": grant.access_token}


async def test_nothing_is_given_out_when_the_application_is_not_installed(keyring: OAuthKeyring) -> None:
    """The refusal says which page to enter in Bitrix24 and which command helps otherwise."""
    with pytest.raises(AccessRefused, match="not installed") as caught:
        await keyring.current()
    assert caught.value.code == "not_installed"
    assert "/install" in caught.value.mend
    assert "badge-bridge authorize main" in caught.value.mend


async def test_nothing_is_given_out_when_the_grant_is_another_applications(world: World, keyring: OAuthKeyring) -> None:
    """A local application that was removed and made again has another client_id; old tokens are not used for it."""
    await world.install(client_id="local.old")
    with pytest.raises(AccessRefused, match="another application is installed") as caught:
        await keyring.current()
    assert caught.value.code == "not_installed"


async def test_the_note_is_read_once_in_a_while_when_the_credential_is_asked_for_often(
    world: World, keyring: OAuthKeyring
) -> None:
    """Calls do not read the store each; a minute later somebody else's installation is noticed."""
    await world.install()
    await keyring.current()
    read = len(world.store.calls)
    for _ in range(10):
        await keyring.current()
    assert len(world.store.calls) == read
    newer = await world.install()
    world.now += FRESH
    assert (await keyring.current()).secret == newer.access_token


async def test_the_known_credential_serves_on_when_the_store_cannot_be_read(
    world: World, keyring: OAuthKeyring, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that fails for a moment does not stop calls whose token is known."""
    grant = await world.install()
    await keyring.current()
    world.store.broken = {"note"}
    world.now += 2 * FRESH
    assert (await keyring.current()).secret == grant.access_token
    assert "could not be read again" in caplog.text


async def test_the_store_is_told_of_when_no_credential_is_known(world: World, keyring: OAuthKeyring) -> None:
    """Nobody knows whether the application is installed, so it is not said to be missing."""
    world.store.broken = {"note"}
    with pytest.raises(StoreUnavailable):
        await keyring.current()


async def test_new_tokens_are_saved_and_given_out_when_renewed(world: World, keyring: OAuthKeyring) -> None:
    """A renewal replaces both tokens in the store and keeps everything else of the installation."""
    before = await world.install()
    stale = await keyring.current()
    world.now += 3700
    renewed = await keyring.renew(stale)
    after = await world.stored()
    assert after is not None
    assert renewed.secret == after.access_token != before.access_token
    assert (after.renewed_at, after.expires_at) == (world.now, world.now + 3600)
    kept = ("member_id", "application_token", "generation", "installed_at", "client_id", "host")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert after.scope == ("crm", "telephony")
    assert world.store.holds == {}


async def test_tokens_are_saved_before_they_are_used_when_renewed(world: World, keyring: OAuthKeyring) -> None:
    """As long as the note is not written, nobody gets the new token."""
    await world.install()
    stale = await keyring.current()
    reached, go = asyncio.Event(), asyncio.Event()
    write = world.store.write_note

    async def slow_write(name: str, text: str, *, version: int) -> bool:
        reached.set()
        await go.wait()
        return await write(name, text, version=version)

    world.store.write_note = slow_write  # type: ignore[method-assign]
    renewal = asyncio.create_task(keyring.renew(stale))
    await reached.wait()
    assert (await keyring.current()).secret == stale.secret
    assert not renewal.done()
    go.set()
    assert (await renewal).secret != stale.secret


async def test_the_server_is_asked_once_when_many_callers_renew_together(world: World, keyring: OAuthKeyring) -> None:
    """Callers in one process share a renewal."""
    await world.install()
    stale = await keyring.current()
    got = await asyncio.gather(*(keyring.renew(stale) for _ in range(30)))
    assert len({credential.secret for credential in got}) == 1
    assert world.asked == ["token"]


async def test_the_server_is_not_asked_when_the_caller_has_an_older_token(world: World, keyring: OAuthKeyring) -> None:
    """Who comes late with the token of before gets the one that there is by now."""
    await world.install()
    stale = await keyring.current()
    first = await keyring.renew(stale)
    assert (await keyring.renew(stale)).secret == first.secret
    assert world.asked == ["token"]


async def test_one_process_asks_the_server_when_two_renew_at_once(world: World) -> None:
    """The other one waits and takes what the first has saved."""
    await world.install()
    keyrings = [world.keyring() for _ in range(2)]
    stale = [await keyring.current() for keyring in keyrings]
    got = await asyncio.gather(*(keyring.renew(old) for keyring, old in zip(keyrings, stale, strict=True)))
    assert world.asked == ["token"]
    stored = await world.stored()
    assert stored is not None
    assert {credential.secret for credential in got} == {stored.access_token}
    assert POLL in world.slept
    for keyring in keyrings:
        await keyring.aclose()


async def test_what_another_process_has_renewed_is_used_when_it_was_first(world: World, keyring: OAuthKeyring) -> None:
    """A process that comes later finds newer tokens in the store and asks nobody."""
    await world.install()
    other = world.keyring()
    stale = await keyring.current()
    newer = await other.renew(await other.current())
    assert (await keyring.renew(stale)).secret == newer.secret
    assert world.asked == ["token"]
    await other.aclose()


async def test_waiting_ends_when_another_process_never_finishes(world: World, keyring: OAuthKeyring) -> None:
    """Calls are not held up for as long as a hold may last; nothing was sent, so they may come back."""
    await world.install()
    stale = await keyring.current()
    world.store.holds[REFRESH] = ("another process", world.now + 600)
    with pytest.raises(PortalUnreachable, match="another process has been renewing"):
        await keyring.renew(stale)
    assert world.slept == [POLL] * POLLS
    assert world.asked == []


async def test_the_next_process_asks_again_when_one_died_between_answer_and_save(world: World) -> None:
    """Its hold runs out; whoever comes next tries the refresh token that is stored, which may still be good."""
    world.keeps_old_refresh_tokens = True
    await world.install()
    dying, heir = world.keyring(), world.keyring()
    stale = await dying.current()
    await heir.current()
    answered = asyncio.Event()

    async def die() -> None:
        answered.set()
        await asyncio.Event().wait()

    world.on_token = die
    renewal = asyncio.create_task(dying.renew(stale))
    await answered.wait()
    assert dying._renewing is not None
    # The process is gone: nothing of it runs on, not even what would let the hold go.
    world.store.broken = {"let_go"}
    dying._renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewal
    world.store.broken = set()
    world.on_token = None
    assert REFRESH in world.store.holds
    with pytest.raises(PortalUnreachable):
        await heir.renew(stale)
    world.now += HOLD
    got = await heir.renew(stale)
    stored = await world.stored()
    assert stored is not None
    assert got.secret == stored.access_token != stale.secret
    await heir.aclose()


async def test_a_person_is_asked_for_when_the_tokens_died_with_a_process(world: World, keyring: OAuthKeyring) -> None:
    """Where the portal has used up the stored refresh token, only a new authorisation helps, and the error says so."""
    grant = await world.install()
    world.refresh.discard(grant.refresh_token)
    with pytest.raises(AccessRefused, match="invalid_grant") as caught:
        await keyring.renew(await keyring.current())
    assert "badge-bridge authorize main" in caught.value.mend
    assert world.store.holds == {}


async def test_the_same_refresh_token_is_tried_once_more_when_an_answer_is_lost(
    world: World, keyring: OAuthKeyring
) -> None:
    """Whether it was used up is not known; here it was not."""
    world.keeps_old_refresh_tokens = True
    world.lose = 1
    await world.install()
    renewed = await keyring.renew(await keyring.current())
    assert world.asked == ["token", "token"]
    stored = await world.stored()
    assert stored is not None
    assert stored.access_token == renewed.secret


async def test_a_person_is_asked_for_when_a_lost_answer_has_used_up_the_refresh_token(
    world: World, keyring: OAuthKeyring
) -> None:
    """After the second try nobody can get in without a person; what was lost is in the log."""
    world.lose = 1
    await world.install()
    with pytest.raises(AccessRefused) as caught:
        await keyring.renew(await keyring.current())
    assert caught.value.code == "invalid_grant"
    assert world.asked == ["token", "token"]


async def test_an_outage_passes_when_the_server_answers_neither_time(world: World, keyring: OAuthKeyring) -> None:
    """Two lost answers are told as such, and the next renewal starts anew with what is stored."""
    world.scripted = [httpx.ReadTimeout("slow"), httpx.Response(502, text="<html>")]
    await world.install()
    stale = await keyring.current()
    with pytest.raises(OutcomeUnknown):
        await keyring.renew(stale)
    assert (await keyring.renew(stale)).secret != stale.secret


async def test_the_server_is_asked_once_when_there_was_no_connection(world: World, keyring: OAuthKeyring) -> None:
    """What was not sent needs no second try at once."""
    world.scripted = [httpx.ConnectError("no route")]
    await world.install()
    with pytest.raises(PortalUnreachable):
        await keyring.renew(await keyring.current())
    assert world.asked == ["token"]


async def test_new_tokens_are_used_from_memory_when_they_cannot_be_saved(
    world: World, keyring: OAuthKeyring, caplog: pytest.LogCaptureFixture
) -> None:
    """The old refresh token is gone, so the new ones are all there is: kept, saved later, and told loudly."""
    before = await world.install()
    stale = await keyring.current()
    world.store.broken = {"write_note", "let_go"}
    renewed = await keyring.renew(stale)
    assert renewed.secret != stale.secret
    assert (await keyring.current()).secret == renewed.secret
    assert [record.levelname for record in caplog.records if "could not be saved" in record.message] == ["ERROR"]
    assert await world.stored() == before
    world.store.broken = set()
    assert keyring._saving is not None
    await keyring._saving
    stored = await world.stored()
    assert stored is not None
    assert stored.access_token == renewed.secret
    assert stored.application_token == before.application_token


async def test_unsaved_tokens_stay_when_the_note_is_looked_at(world: World, keyring: OAuthKeyring) -> None:
    """The note with the tokens of before does not replace newer ones that wait for being saved."""
    await world.install()
    world.store.broken = {"write_note"}
    renewed = await keyring.renew(await keyring.current())
    await keyring.look()
    assert (await keyring.current()).secret == renewed.secret
    world.store.broken = set()


async def test_unsaved_tokens_are_saved_first_when_they_expire_too(world: World, keyring: OAuthKeyring) -> None:
    """The next renewal starts from the tokens in memory and does not fall back to the ones in the note."""
    await world.install()
    world.store.broken = {"write_note"}
    first = await keyring.renew(await keyring.current())
    assert keyring._saving is not None
    keyring._saving.cancel()
    world.store.broken = set()
    second = await keyring.renew(first)
    stored = await world.stored()
    assert stored is not None
    assert stored.access_token == second.secret != first.secret
    assert world.asked == ["token", "token"]


async def test_unsaved_tokens_are_saved_when_the_keyring_is_closed(world: World) -> None:
    """A process that stops does not take the only good tokens with it."""
    keyring = world.keyring()
    await world.install()
    world.store.broken = {"write_note"}
    renewed = await keyring.renew(await keyring.current())
    world.store.broken = set()
    await keyring.aclose()
    stored = await world.stored()
    assert stored is not None
    assert stored.access_token == renewed.secret


async def test_losing_tokens_is_told_when_the_keyring_is_closed_and_the_store_still_fails(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads the log knows why the application is refused from now on, and what helps."""
    keyring = world.keyring()
    await world.install()
    world.store.broken = {"write_note"}
    await keyring.renew(await keyring.current())
    await keyring.aclose()
    assert "renewed tokens are lost" in caplog.text
    assert "badge-bridge authorize main" in caplog.text


async def test_a_new_installation_wins_when_it_comes_during_a_renewal(world: World, keyring: OAuthKeyring) -> None:
    """The tokens of the renewal belong to the installation of before and are dropped."""
    await world.install()
    world.on_token = world.install
    renewed = await keyring.renew(await keyring.current())
    stored = await world.stored()
    assert stored is not None
    assert renewed.secret == stored.access_token
    assert stored.generation == 2


async def test_an_uninstallation_wins_when_it_comes_during_a_renewal(world: World, keyring: OAuthKeyring) -> None:
    """A renewal does not bring an application back that is gone."""
    await world.install()

    async def uninstall() -> None:
        await world.store.write_note("oauth/main", "", version=1)

    world.on_token = uninstall
    with pytest.raises(AccessRefused) as caught:
        await keyring.renew(await keyring.current())
    assert caught.value.code == "not_installed"
    assert await world.stored() is None


async def test_a_new_application_token_is_kept_when_it_comes_during_a_renewal(
    world: World, keyring: OAuthKeyring
) -> None:
    """What an update brought stays beside the new tokens."""
    grant = await world.install()

    async def update() -> None:
        vault = keyring._vault
        assert await vault.save(grant.with_application_token("another", proven_at=0), version=1)

    world.on_token = update
    renewed = await keyring.renew(await keyring.current())
    stored = await world.stored()
    assert stored is not None
    assert (stored.application_token, stored.access_token) == ("another", renewed.secret)
    assert world.asked == ["token"]


async def test_a_renewal_goes_on_when_its_caller_is_cancelled(world: World, keyring: OAuthKeyring) -> None:
    """Between answer and save nobody's impatience may lose the tokens."""
    await world.install()
    stale = await keyring.current()
    answered, go = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        answered.set()
        await go.wait()

    world.on_token = wait
    caller = asyncio.create_task(keyring.renew(stale))
    await answered.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await keyring.aclose()
    stored = await world.stored()
    assert stored is not None
    assert stored.access_token != stale.secret


async def test_the_mark_changes_with_an_installation_and_not_with_a_renewal(
    world: World, keyring: OAuthKeyring
) -> None:
    """What was paused for a refused credential opens with a new installation, and not every hour."""
    none = keyring.mark
    await world.install()
    stale = await keyring.current()
    first = keyring.mark
    await keyring.renew(stale)
    assert keyring.mark == first != none
    await world.install()
    await keyring.look()
    assert keyring.mark not in {first, none}
    assert len(keyring.mark) == 8


async def test_the_mark_changes_when_the_applications_secret_is_corrected(world: World) -> None:
    """A pause for a wrong client_secret ends when the bridge is started with the right one."""
    await world.install()
    marks = set()
    for secret in ("wrong", "right"):
        keyring = world.keyring(application(client_secret=secret))
        await keyring.look()
        marks.add(keyring.mark)
    assert len(marks) == 2


@pytest.mark.parametrize(("idle", "renewed"), [(KEEP_ALIVE - 1, False), (KEEP_ALIVE, True)])
async def test_tokens_are_kept_alive_when_nothing_was_renewed_for_long(
    world: World, keyring: OAuthKeyring, idle: float, renewed: bool
) -> None:
    """Only tokens that would die soon are renewed by the clock."""
    await world.install()
    world.now += idle
    assert await keyring.keep_alive(world.now) is renewed
    assert world.asked == ["token"] * renewed


async def test_keeping_alive_is_cheap_when_every_sweep_asks_for_it(world: World, keyring: OAuthKeyring) -> None:
    """The store is read once an hour, and a failure is not repeated every second."""
    await world.install()
    world.now += KEEP_ALIVE
    world.scripted = [httpx.ConnectError("no route")]
    with pytest.raises(PortalUnreachable):
        await keyring.keep_alive(world.now)
    calls = len(world.store.calls)
    for _ in range(100):
        world.now += 1
        assert not await keyring.keep_alive(world.now)
    assert len(world.store.calls) == calls
    world.now += 3600
    assert await keyring.keep_alive(world.now)


async def test_nothing_is_kept_alive_when_nothing_is_installed(world: World, keyring: OAuthKeyring) -> None:
    """A sweep over a portal without an installation does nothing and fails at nothing."""
    assert not await keyring.keep_alive(world.now)


async def test_the_setting_is_named_when_the_key_is_wrong(world: World) -> None:
    """Tokens that were stored with another key are not mistaken for none."""
    await world.install()
    keyring = world.keyring(keys=(OTHER_KEY,))
    with pytest.raises(AccessRefused, match="ENCRYPTION_KEY") as caught:
        await keyring.current()
    assert caught.value.code == "wrong_encryption_key"
    assert "badge-bridge authorize main" in caught.value.mend
    assert OTHER_KEY not in str(caught.value)


async def test_tokens_are_read_when_their_key_stands_behind_a_new_one(world: World) -> None:
    """A key is replaced by putting the new one first; the next renewal stores with the new one alone."""
    await world.install()
    rotating = world.keyring(keys=(OTHER_KEY, KEY))
    renewed = await rotating.renew(await rotating.current())
    assert (await world.keyring(keys=(OTHER_KEY,)).current()).secret == renewed.secret
    await rotating.aclose()


async def test_no_secret_is_shown_when_everything_goes_wrong(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log lines at the finest level nor errors with all their causes hold a token or a secret."""
    caplog.set_level(logging.DEBUG)
    keyring = world.keyring()
    shown = [repr(application()), repr(await world.install()), repr(keyring)]
    stale: Credential = await keyring.current()
    world.scripted = [
        httpx.ReadError("cut"),
        httpx.Response(500, text="oops"),
        httpx.ConnectError("no"),
        httpx.Response(200, json={"access_token": "half-s3cr3t-1"}),
        httpx.Response(200, json={"access_token": ["s3cr3t-1"], "refresh_token": 5}),
        httpx.Response(
            400, json={"error": f"bad {stale.secret.replace('acc3ss', 'r3fresh')}", "error_description": CLIENT_SECRET}
        ),
    ]
    for _ in range(6):
        grant = await world.stored()
        assert grant is not None
        world.refresh.discard(grant.refresh_token)
        with pytest.raises((AccessRefused, OutcomeUnknown, PortalUnreachable)) as caught:
            await keyring.renew(stale)
        error: BaseException | None = caught.value
        while error is not None:
            shown.append(f"{error!r} {error} {vars(error)}")
            assert not hasattr(error, "request"), "the HTTP library's errors hold the URL"
            error = error.__cause__ or error.__context__
    await keyring.aclose()
    text = "\n".join(shown) + caplog.text
    assert "invalid_grant" in text
    assert {secret for secret in world.secrets() if secret in text} == set()


def test_a_keyring_is_not_opened_when_there_is_no_key(world: World) -> None:
    """Without ENCRYPTION_KEY nothing could be stored, which is said at the start."""
    with pytest.raises(Exception, match="ENCRYPTION_KEY is not set"):
        open_keyring(application(), store=world.store, keys=())


async def test_tokens_are_sealed_with_the_first_key_when_it_was_put_before_another(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first look, and not only with the next renewal; the log says that the old key may go."""
    caplog.set_level(logging.INFO)
    grant = await world.install()
    replacing = world.keyring(keys=(OTHER_KEY, KEY))
    await replacing.keep_alive(world.now)
    assert "encrypted with the first key" in caplog.text
    only_new = world.keyring(keys=(OTHER_KEY,))
    assert (await only_new.current()).secret == grant.access_token
    assert (await replacing.current()).secret == grant.access_token
    written = world.store.calls.count("write_note")
    world.now += 3600
    await replacing.keep_alive(world.now)
    await only_new.keep_alive(world.now)
    assert world.store.calls.count("write_note") == written


async def test_nothing_is_sealed_anew_when_somebody_else_writes_at_that_moment(world: World) -> None:
    """What he wrote stays; an hour later it is looked at again."""
    await world.install()
    keyring = world.keyring(keys=(OTHER_KEY, KEY))
    read = world.store.note

    async def overtaken(name: str) -> Note | None:
        found = await read(name)
        world.store.note = read  # type: ignore[method-assign]
        await world.install(application_token="another")
        return found

    world.store.note = overtaken  # type: ignore[method-assign]
    await keyring.keep_alive(world.now)
    stored = await world.stored()
    assert stored is not None
    assert stored.application_token == "another"


async def test_nothing_is_sealed_when_nothing_can_be_read(world: World) -> None:
    """A key that is missing is told by whoever needs the tokens."""
    await world.install()
    before = dict(world.store.notes)
    with pytest.raises(AccessRefused):
        await world.keyring(keys=(OTHER_KEY,)).keep_alive(world.now)
    assert world.store.notes == before
