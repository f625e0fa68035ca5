"""What the doctor says of this side of the network: rules file, secrets, sources, store."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from badge_bridge.ahead import believed
from badge_bridge.certain_time import NOTE, CertainTime
from badge_bridge.errors import SettingsError
from badge_bridge.events import Event
from badge_bridge.local_checks import (
    check_disk,
    check_encryption_key,
    check_rules,
    check_sources,
    check_store,
)
from badge_bridge.portal.doctor import Check
from badge_bridge.portal.reasons import Reason
from badge_bridge.settings import Settings
from badge_bridge.sources.base import SourceOptions
from badge_bridge.sources.zadarma import ZadarmaOptions
from badge_bridge.store.protocol import Accepted
from badge_bridge.store.sqlite import SqliteStore
from badge_bridge.store_room import LITTLE_ROOM, NO_ROOM
from support.deliveries import RULES, environ
from support.google import FakeGoogle
from support.stores import claimed, ended, item

NOW = 1_795_345_200.0
ENVIRON = environ("https://acme.bitrix24.com/rest/1/abcdefabcdefabcd/")


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES, "utf-8")
    return path


def settings_for(rules: Path) -> Settings:
    return Settings.from_environ({"RULES": str(rules)})


def by_name(checks: list[Check]) -> Mapping[str, Check]:
    return {check.name: check for check in checks}


async def store_at(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    await store.open()
    return store


async def test_a_rules_file_that_loads_is_counted(rules_file: Path) -> None:
    """Its parts and its hash, which outcomes carry, and that every secret is set."""
    _, rules, checks = await check_rules(settings_for(rules_file), ENVIRON)
    assert rules is not None
    assert [(check.name, check.status) for check in checks] == [("rules file", "ok"), ("secrets", "ok")]
    assert f"5 sources, 2 badges, 2 rules (hash {rules.hash})" in checks[0].found


async def test_a_rules_file_with_something_that_is_probably_not_meant_is_a_warning(rules_file: Path) -> None:
    """How much there is, and the command that tells it with its places."""
    rules_file.write_text(
        RULES.replace("badges:\n", "badges:\n  spare: {title: t, value: v, type: primary}\n"), "utf-8"
    )
    _, rules, checks = await check_rules(settings_for(rules_file), ENVIRON)
    assert rules is not None
    found = by_name(checks)["rules file"]
    assert (found.status, found.found) == ("warning", f"{rules_file}: 1 warning, {rules.extent}")
    assert f"`badge-bridge check {rules_file}`" in found.mend


async def test_a_secret_that_is_not_set_is_no_mistake_in_the_file(rules_file: Path) -> None:
    """Each unset name is told under secrets, at its place, and the file itself is well."""
    _, rules, checks = await check_rules(settings_for(rules_file), {**ENVIRON, "TWILIO_TOKEN": "", "SHOP_SECRET": ""})
    assert rules is None
    assert [(check.name, check.status) for check in checks] == [("rules file", "ok"), ("secrets", "failed")]
    assert len(checks[1].found.splitlines()) == 2
    assert f"{rules_file}:8:15: " in checks[1].found
    assert "TWILIO_TOKEN" in checks[1].found
    assert not any(secret in str(checks) for secret in ENVIRON.values())


async def test_a_secret_that_cannot_be_used_is_to_be_corrected_and_not_to_be_set(rules_file: Path) -> None:
    """A webhook without TLS is a wrong value of a variable that is set."""
    webhook = next(name for name, value in ENVIRON.items() if "/rest/" in value)
    _, _, checks = await check_rules(
        settings_for(rules_file), {**ENVIRON, webhook: "http://acme.bitrix24.com/rest/1/abcdefabcdefabcd/"}
    )
    secrets = by_name(checks)["secrets"]
    assert secrets.status == "failed"
    assert "must begin with https://" in secrets.found
    assert secrets.mend.startswith("Correct the variables that stand at these places")
    _, _, checks = await check_rules(settings_for(rules_file), {**ENVIRON, webhook: ""})
    assert by_name(checks)["secrets"].mend.startswith("Set or correct what is named")


@pytest.mark.parametrize(
    ("written", "token", "mend"),
    [
        ("sm://twilio", "", "Mend what is named."),
        ('"${TWILIO_TOKEN}"', "sm://twilio", "Mend what is named."),
        ("sm://twilio", None, "Mend what is named."),
        ('"${TWILIO_TOKEN}"', "", "Set or correct what is named, in the environment of this command and of serve."),
    ],
    ids=["in the file", "in a variable", "beside an unset variable", "no secret of Google's"],
)
async def test_variables_are_to_be_corrected_only_where_variables_are_wrong(
    rules_file: Path, written: str, token: str | None, mend: str
) -> None:
    """A secret that Google does not have is mended there, wherever its name stands."""
    rules_file.write_text(RULES.replace('"${TWILIO_TOKEN}"', written))
    given = {**ENVIRON, "TWILIO_TOKEN": token or "", "GOOGLE_CLOUD_PROJECT": "acme"}
    if token is None:
        given["SHOP_SECRET"] = ""
    _, _, checks = await check_rules(settings_for(rules_file), given, FakeGoogle().google)
    assert by_name(checks)["secrets"].mend == mend


async def test_mistakes_in_the_file_are_all_listed(rules_file: Path) -> None:
    """With their positions; secrets are not looked at then."""
    rules_file.write_text(RULES.replace("badge: paid", "badge: payed").replace("on: call.missed", "no: call.missed"))
    _, rules, checks = await check_rules(settings_for(rules_file), {})
    assert rules is None
    assert [(check.name, check.status) for check in checks] == [("rules file", "failed"), ("secrets", "skipped")]
    assert "payed" in checks[0].found
    assert "'no'" in checks[0].found
    assert "badge-bridge check" in checks[0].mend


async def test_a_rules_file_that_is_not_there_is_a_failed_check(tmp_path: Path) -> None:
    """No traceback, and the path."""
    _, rules, checks = await check_rules(settings_for(tmp_path / "none.yaml"), {})
    assert rules is None
    assert checks[0].status == "failed"
    assert "none.yaml" in checks[0].found


@pytest.mark.parametrize(
    ("applications", "is_set", "status"),
    [([], False, "skipped"), ([], True, "skipped"), (["main"], False, "failed"), (["main"], True, "ok")],
)
def test_an_encryption_key_is_needed_by_applications_alone(applications: list[str], is_set: bool, status: str) -> None:
    """And its lack says which command prints one."""
    check = check_encryption_key(applications, is_set=is_set)
    assert check.status == status
    assert ("badge-bridge key" in check.mend) == (status == "failed")


async def test_sources_are_told_with_where_they_take_deliveries(rules_file: Path) -> None:
    """Each with its provider and path, and its public URL where it has one."""
    _, rules, _ = await check_rules(settings_for(rules_file), ENVIRON)
    assert rules is not None
    checks = by_name(check_sources(rules))
    assert {check.status for check in checks.values()} == {"ok"}
    assert checks["source reception"].found == (
        "twilio delivers to /hooks/reception, from outside https://bridge.example.com/hooks/reception"
    )
    assert checks["source pbx"].found == "generic delivers to /hooks/pbx"


async def test_a_public_url_of_another_path_is_a_warning(rules_file: Path) -> None:
    """It is right only behind a proxy that changes paths."""
    rules_file.write_text(RULES.replace("example.com/hooks/reception", "example.com/webhooks/twilio"), "utf-8")
    _, rules, _ = await check_rules(settings_for(rules_file), ENVIRON)
    assert rules is not None
    check = by_name(check_sources(rules))["source reception"]
    assert check.status == "warning"
    assert "https://bridge.example.com/webhooks/twilio" in check.found
    assert "end in /hooks/reception" in check.mend


async def test_a_store_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    """Beside a bridge that has it open: written and read, and nothing of it remains."""
    running = await store_at(tmp_path / "state.db")
    try:
        await running.pause("main", until=NOW - 1, reason="over")
        checks = await check_store(f"sqlite:///{tmp_path}/state.db", ["main"], now=NOW)
        assert [(check.name, check.status) for check in checks] == [("store", "ok"), ("pauses", "ok")]
    finally:
        await running.close()
    with sqlite3.connect(tmp_path / "state.db") as connection:
        assert [row[0] for row in connection.execute("SELECT lane FROM pauses")] == ["main"]
    connection.close()


@pytest.mark.parametrize(
    ("free", "status", "found"),
    [
        (LITTLE_ROOM * 73, "ok", "73 GB free in {}, where the store is"),
        (LITTLE_ROOM, "ok", "1 GB free in {}, where the store is"),
        (LITTLE_ROOM - 1_000_000, "warning", "999 MB free in {}, where the store is: less than 1 GB"),
        (NO_ROOM, "warning", "100 MB free in {}, where the store is: less than 1 GB"),
        (NO_ROOM - 1_000_000, "failed", "99 MB free in {}, where the store is: less than 100 MB"),
        (0, "failed", "0 MB free in {}, where the store is: less than 100 MB"),
    ],
)
def test_room_on_the_disk_of_the_store_is_told(free: int, status: str, found: str, tmp_path: Path) -> None:
    """Whether the store is there yet or not; with what to do while there is time."""
    (check,) = check_disk(f"sqlite:///{tmp_path}/state.db", free={tmp_path: free}.__getitem__)
    assert (check.name, check.status, check.found) == ("disk", status, found.format(tmp_path))
    assert ("retention" in check.mend) == (status != "ok")


def test_nothing_is_told_of_a_disk_where_the_store_is_on_none(tmp_path: Path) -> None:
    """Nor of a folder that is not there, which is told of as a trouble of the store; a real disk has some room."""
    assert check_disk("memory:") == []
    assert check_disk(f"sqlite:///{tmp_path}/nowhere/state.db") == []
    assert [check.name for check in check_disk(f"sqlite:///{tmp_path}/state.db")] == ["disk"]


async def test_what_is_paused_is_told_with_its_reason(tmp_path: Path) -> None:
    """Until when and why, in the words in which it was stored."""
    store = await store_at(tmp_path / "state.db")
    await store.pause("main", until=NOW + 90, reason="no connection")
    await store.close()
    pauses = by_name(await check_store(f"sqlite:///{tmp_path}/state.db", ["main", "other"], now=NOW))["pauses"]
    assert pauses.status == "warning"
    assert pauses.found == "main is paused until 2026-11-22 11:01:30 UTC: no connection"
    assert pauses.mend == (
        "When what is named is mended, the bridge goes on by itself then; badge-bridge resume ends the pause now."
    )


async def test_a_new_credential_is_advised_when_one_was_refused(tmp_path: Path) -> None:
    """The mark by which the bridge knows the refused one says nothing to a person."""
    store = await store_at(tmp_path / "state.db")
    await store.pause("main", until=NOW + 90, reason=str(Reason("X", "portal main: refused with X", "3fa9c1d2")))
    await store.close()
    pauses = by_name(await check_store(f"sqlite:///{tmp_path}/state.db", ["main"], now=NOW))["pauses"]
    assert pauses.found == "main is paused until 2026-11-22 11:01:30 UTC: portal main: refused with X"
    assert pauses.mend.endswith("ends the pause now, and so does a restart with a new credential.")


async def test_what_was_given_up_is_told_with_the_newest_reason(tmp_path: Path) -> None:
    """A reason that sends to the doctor is met there again, with the commands that show and try the events."""
    store = await store_at(tmp_path / "state.db")
    for number, reason in enumerate(("timeout", "the portal has no such method. An update may be needed.")):
        await store.accept([item(f"s:{number}", received_at=NOW + number)])
        claim = await claimed(store, f"s:{number}", now=NOW + number)
        await store.settle(claim, ended("dead", reason=reason))
    await store.close()
    dead = by_name(await check_store(f"sqlite:///{tmp_path}/state.db", [], now=NOW))["dead letters"]
    assert dead.status == "warning"
    assert dead.found == "2 events given up; the newest: the portal has no such method …"
    assert "badge-bridge events list --in dead" in dead.mend
    assert "badge-bridge events redrive --in dead" in dead.mend


async def test_a_clock_that_retention_waits_for_is_told(tmp_path: Path) -> None:
    """It may be right, after a year without the bridge; whether it is, only a person knows."""
    store = await store_at(tmp_path / "state.db")
    ahead = CertainTime(known=NOW - 365 * 86_400, clock=NOW - 365 * 86_400).after(3.0, now=NOW)
    await store.write_note(NOTE, ahead.model_dump_json(), version=0)
    await store.close()

    retention = by_name(await check_store(f"sqlite:///{tmp_path}/state.db", [], now=NOW))["retention"]

    assert retention.status == "warning"
    assert "the clock is 365 days ahead" in retention.found
    assert retention.mend.startswith("Is it 2026-11-22 11:00:00 UTC or later? Then wait")


async def test_source_whose_latest_event_tells_a_time_ahead_is_named(tmp_path: Path) -> None:
    """With what to look at, which is `time_zone` only where the source has one; one that is prompt is not named."""
    store = await store_at(tmp_path / "state.db")
    for source, hours in (("office", 3.0), ("shop", 50.0), ("pbx", 0.0)):
        told = datetime.fromtimestamp(NOW + hours * 3600, UTC)
        event = Event(id="1", source=source, provider="", type="order.paid", time=told)
        await store.accept([Accepted(f"{source}:{'0' * 32}", believed(event, NOW), "", NOW)])
    await store.close()

    other = SourceOptions(provider="other")
    sources = {"office": ZadarmaOptions(provider="zadarma", secrets=[SecretStr("s")]), "shop": other, "pbx": other}
    checks = await check_store(f"sqlite:///{tmp_path}/state.db", [], now=NOW, sources=sources)

    assert [(one.name, one.status, one.found, one.mend) for one in checks if one.name.startswith("times of")] == [
        (
            "times of office",
            "warning",
            "its latest event tells a time 3 h ahead of this machine's clock",
            "See time_zone of the source in the rules file, the sender's clock, and this one's.",
        ),
        (
            "times of shop",
            "warning",
            "its latest event tells a time 2 days ahead of this machine's clock, which cannot be true and is not used",
            "See in which time zone the sender writes its times, the sender's clock, and this one's.",
        ),
    ]


async def test_no_word_of_the_clock_when_it_is_believed(tmp_path: Path) -> None:
    """Nor where it is ahead by no more than a restart takes."""
    store = await store_at(tmp_path / "state.db")
    restarted = CertainTime(known=NOW - 900, clock=NOW - 900).after(3.0, now=NOW)
    await store.write_note(NOTE, restarted.model_dump_json(), version=0)
    await store.close()

    assert "retention" not in by_name(await check_store(f"sqlite:///{tmp_path}/state.db", [], now=NOW))


async def test_a_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    """Whoever looks must not leave a file of a wrong owner in a wrong place."""
    (check,) = await check_store(f"sqlite:///{tmp_path}/state.db", [], now=NOW)
    assert check.status == "ok"
    assert "serve will make it" in check.found
    assert list(tmp_path.iterdir()) == []


async def test_a_store_in_a_folder_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    """Serve would not make the folder either."""
    (check,) = await check_store(f"sqlite:///{tmp_path}/none/state.db", [], now=NOW)
    assert check.status == "failed"
    assert f"the folder {tmp_path}/none does not exist" in check.found


async def test_a_file_that_is_no_store_is_a_failure(tmp_path: Path) -> None:
    """It says what that means for deliveries."""
    (tmp_path / "state.db").write_text("this is not a database, however long it may be, and it never was one")
    (check,) = await check_store(f"sqlite:///{tmp_path}/state.db", [], now=NOW)
    assert check.status == "failed"
    assert "503" in check.mend


async def test_a_store_in_memory_is_a_warning() -> None:
    """It is for trials; what it forgets is lost."""
    (check,) = await check_store("memory:", [], now=NOW)
    assert check.status == "warning"


async def test_a_setting_that_names_no_store_is_wrong_use() -> None:
    """As for every command."""
    with pytest.raises(SettingsError, match="mysql"):
        await check_store("mysql://localhost", [], now=NOW)
