"""The command line, as a user types it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from badge_bridge import __version__
from badge_bridge.archive import note_of
from badge_bridge.events import Event
from badge_bridge.outcomes import Exchange, Outcome
from badge_bridge.portal.reasons import Reason
from badge_bridge.store import open_store
from badge_bridge.store.protocol import Accepted, Settlement
from support.commands import Run, commands
from support.deliveries import RULES, environ
from support.programs import ROOT
from support.stores import item

NOW = 1_795_345_200.0


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    given = environ("https://acme.bitrix24.com/rest/1/abcdefabcdefabcd/")
    with commands(monkeypatch, capsys, tmp_path, {"STATE": "sqlite:///state.db", **given}) as run:
        yield run


@pytest.fixture
def stored(run: Run) -> list[str]:
    """Keys of three stored events: done, dead and waiting."""

    async def fill() -> list[str]:
        store = open_store("sqlite:///state.db")
        await store.open()
        for number in range(3):
            event = Event(
                id=f"call-{number}",
                source="reception",
                provider="twilio",
                type="call.missed",
                time=datetime.fromtimestamp(NOW, UTC),
                caller="+4930901820",
                data={"CallSid": f"call-{number}"},
            )
            await store.accept([Accepted(f"reception:{number}", event, "hmac-sha1 over url and form", NOW + number)])
        for key, state in (("reception:0", "done"), ("reception:1", "dead")):
            claim = await store.claim(key, now=NOW + 10, lease=60)
            assert claim is not None
            await store.settle(
                claim,
                Settlement(
                    state=state,  # type: ignore[arg-type] # one of the two literals above
                    ended_at=NOW + 10.25,
                    reason="" if state == "done" else "the portal refuses the title",
                    outcomes=(Outcome(rule="missed call", result="ensured", badge="bb_missedCall", attempt=1),),
                    asked=(Exchange(method="crm.activity.badge.get", answer="ok", milliseconds=12),),
                    rules_hash="0123456789abcdef",
                ),
            )
        await store.close()
        return ["reception:0", "reception:1", "reception:2"]

    return asyncio.run(fill())


def test_events_list_shows_the_newest_first(run: Run, stored: list[str]) -> None:
    """The list has a row for each event, newest first, with its state and the reason."""
    code, out, _ = run("events", "list")
    assert code == 0
    assert [key for line in out.splitlines() for key in stored if key in line] == stored[::-1]
    assert "the portal refuses the title" in out


def test_events_list_keeps_keys_whole_when_the_terminal_is_narrow(
    run: Run, stored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key can be copied from the list however wide the terminal is."""
    monkeypatch.setenv("COLUMNS", "40")
    out = run("events", "list")[1]
    assert all(key in out for key in stored)
    assert "2026-11-22" in out


@pytest.mark.parametrize("asked", [["--legs"], ["--in", "joined"], ["--type", "call.leg"]])
def test_events_list_has_joined_legs_when_they_are_asked_for(run: Run, stored: list[str], asked: list[str]) -> None:
    """Else they would bury the calls."""

    async def join() -> None:
        store = open_store("sqlite:///state.db")
        await store.open()
        await store.accept([item("reception:leg", type="call.leg", received_at=NOW + 20)])
        claim = await store.claim("reception:leg", now=NOW + 20, lease=60)
        assert claim is not None
        await store.settle(claim, Settlement(state="joined", ended_at=NOW + 20))
        await store.close()

    asyncio.run(join())
    assert "reception:leg" not in run("events", "list")[1]
    assert "reception:leg" in run("events", "list", *asked)[1]


def test_events_list_as_json_can_be_filtered(run: Run, stored: list[str]) -> None:
    """With --json the list is JSON, and filters leave only what was asked for."""
    code, out, _ = run("events", "list", "--json", "--in", "dead", "--source", "reception", "--type", "call.missed")
    assert code == 0
    (row,) = json.loads(out)
    assert (row["key"], row["state"], row["attempts"]) == ("reception:1", "dead", 1)
    assert row["received"] == "2026-11-22T11:00:01.000Z"


def test_events_list_says_so_when_there_is_nothing(run: Run, stored: list[str]) -> None:
    """An empty list is a sentence, and an empty JSON list."""
    assert "No events" in run("events", "list", "--source", "nobody")[1]
    assert json.loads(run("events", "list", "--source", "nobody", "--json")[1]) == []


def test_events_list_refuses_an_unknown_state(run: Run, stored: list[str]) -> None:
    """A state that does not exist is named, with those that do, and the exit code says wrong use."""
    code, _, err = run("events", "list", "--in", "lost")
    assert code == 2
    assert "'lost'" in err
    assert "waiting, working, done, ignored, joined, dead" in err


@pytest.mark.parametrize("met", ["the refusal", "its pause"])
def test_events_show_tells_once_why_an_event_waits(run: Run, stored: list[str], met: str) -> None:
    """The refusal is in the attempt that met it, or else with the pause; the mark of the credential is in neither."""
    said = "crm.activity.add was refused with NO_AUTH_FOUND (HTTP 401): who asked is not known"
    refusal = f"portal main: {said}"

    async def wait() -> None:
        store = open_store("sqlite:///state.db")
        await store.open()
        await store.pause("main", until=NOW + 60, reason=str(Reason("NO_AUTH_FOUND", refusal, "3fa9c1d2")))
        claim = await store.claim("reception:2", now=NOW + 10, lease=60)
        assert claim is not None
        reason = refusal if met == "the refusal" else "portal main: crm.activity.add waits for lane main: NO_AUTH_FOUND"
        await store.settle(
            claim, Settlement(state="waiting", ended_at=NOW + 11, due=NOW + 60, lane="main", reason=reason)
        )
        await store.close()

    asyncio.run(wait())
    code, out, _ = run("events", "show", "reception:2")
    assert code == 0
    assert "It goes on by itself when main can be used again; that is tried now." in out
    assert "badge-bridge doctor --portal main" in out
    assert out.casefold().count(said.casefold()) == 1
    assert "refused credential" not in out


def test_events_show_tells_the_life_of_an_event(run: Run, stored: list[str]) -> None:
    """One event is shown with what was received, how it was verified, each attempt and each rule."""
    code, out, _ = run("events", "show", "reception:0")
    assert code == 0
    for said in (
        "hmac-sha1 over url and form",
        "call.missed",
        "+4930901820",
        "attempt 1",
        "250 ms",
        "crm.activity.badge.get -> ok (12 ms)",
        "missed call: ensured bb_missedCall",
        "0123456789abcdef",
    ):
        assert said in out
    shown = json.loads(run("events", "show", "reception:0", "--json")[1])
    assert shown["outcomes"][0]["badge"] == "bb_missedCall"
    assert shown["history"][0]["asked"][0]["method"] == "crm.activity.badge.get"


def test_events_show_says_when_there_is_no_such_event(run: Run, stored: list[str]) -> None:
    """A key that is not stored is a sentence and exit code 1."""
    code, _, err = run("events", "show", "reception:9")
    assert code == 1
    assert "there is no event reception:9" in err


def test_events_show_tells_what_each_rule_says_and_how_the_badge_looks(
    run: Run, stored: list[str], tmp_path: Path
) -> None:
    """By the rules of now: the part of a condition that failed, with its place; a change of the rules is told."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    code, out, _ = run("events", "show", "reception:1")
    assert code == 0
    assert "✓ missed call (line " in out
    assert "others then (hash 0123456789abcdef)" in out
    assert "badge-bridge events redrive reception:1" in out
    shown = json.loads(run("events", "show", "reception:1", "--json")[1])
    rules = {one["rule"]: one["result"] for one in shown["judgement"]["rules"]}
    assert rules["missed call"] == "matched"
    assert shown["next"] == "It is not tried again by itself. Mend what the reason says, then redrive it."
    (tmp_path / "rules.yaml").write_text(RULES.replace("+49800", "+4930"), "utf-8")
    out = run("events", "show", "reception:1")[1]
    assert "!event.caller.startsWith('+4930')  is false: event.caller is \"+4930901820\"" in out


def test_events_show_goes_without_rules_where_there_are_none(run: Run, stored: list[str]) -> None:
    """The life of the event is shown all the same, and which file is missing."""
    code, out, _ = run("events", "show", "reception:0")
    assert code == 0
    assert "the rules file cannot be read" in out
    assert "rules.yaml" in out
    shown = json.loads(run("events", "show", "reception:0", "--json")[1])
    assert shown["judgement"] is None
    assert "rules.yaml" in shown["judgement_unknown"]


def test_events_are_found_by_what_only_their_keys_begin_with(run: Run, stored: list[str]) -> None:
    """A key need not be typed to its end; where several begin so, they are named and nothing is done."""
    code, _, err = run("events", "show", "recep")
    assert code == 1
    assert "recep is the beginning of several keys: reception:0, reception:1, reception:2;" in err
    code, _, err = run("events", "redrive", "reception:")
    assert code == 1
    assert "several keys" in err
    code, out, _ = run("events", "redrive", "reception:1")
    assert code == 0
    assert out.startswith("reception:1: will be tried again")


def test_events_show_takes_the_beginning_of_a_key(run: Run, stored: list[str]) -> None:
    """The whole key is shown."""

    async def add() -> None:
        store = open_store("sqlite:///state.db")
        await store.open()
        event = Event(
            id="1", source="shop", provider="generic", type="order.paid", time=datetime.fromtimestamp(NOW, UTC)
        )
        await store.accept([Accepted("shop:4f0c2d", event, "bearer", NOW)])
        await store.close()

    asyncio.run(add())
    assert run("events", "show", "shop:4f")[1].startswith("shop:4f0c2d waiting")


def test_version_is_that_of_the_package(run: Run) -> None:
    """As it is asked for in a report of a trouble."""
    assert run("--version")[:2] == (0, f"badge-bridge {__version__}\n")


def test_events_redrive_makes_ended_events_due_again(run: Run, stored: list[str]) -> None:
    """Ended events are tried again; one that still waits, or is unknown, is named and fails the command."""
    code, out, _ = run("events", "redrive", "reception:1")
    assert code == 0
    assert "will be tried again" in out
    assert json.loads(run("events", "show", "reception:1", "--json")[1])["state"] == "waiting"
    code, out, _ = run("events", "redrive", "reception:0", "reception:2", "reception:9")
    assert code == 1
    assert "reception:2: it has not ended, it is waiting" in out
    assert "reception:9: there is no such event" in out


def test_events_redrive_with_then_needs_the_rules_file_of_then(run: Run, stored: list[str]) -> None:
    """Where that is kept the event is judged by it, and its life says so; else it is left as it was."""
    code, out, _ = run("events", "redrive", "reception:1", "--with", "then")
    assert code == 1
    assert out == (
        "reception:1: its rules of then (hash 0123456789abcdef) are not kept; redrive it with those of now\n"
    )
    assert json.loads(run("events", "show", "reception:1", "--json")[1])["state"] == "dead"

    asyncio.run(keep_rules("0123456789abcdef"))
    code, out, _ = run("events", "redrive", "reception:1", "--with", "then")

    assert (code, out) == (0, "reception:1: will be tried again, with the rules of then\n")
    shown = json.loads(run("events", "show", "reception:1", "--json")[1])
    assert (shown["state"], shown["redriven_with"]) == ("waiting", "0123456789abcdef")
    assert "  redriven  with the rules 0123456789abcdef\n" in run("events", "show", "reception:1")[1]


async def keep_rules(hash_: str) -> None:
    store = open_store("sqlite:///state.db")
    await store.open()
    await store.write_note(note_of(hash_), RULES, version=0)
    await store.close()


def test_events_do_not_make_a_store_when_there_is_none(run: Run, tmp_path: Path) -> None:
    """Looking at events in the wrong folder says so and leaves no empty file behind."""
    code, _, err = run("events", "list")
    assert code in {1, 2}
    assert "state.db" in err
    assert list(tmp_path.iterdir()) == []


def test_check_says_that_a_good_file_is_fine(run: Run, tmp_path: Path) -> None:
    """A file without mistakes is fine, with its numbers."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    code, out, _ = run("check", "rules.yaml")
    assert code == 0
    assert "fine: 5 sources, 2 badges, 2 rules" in out
    assert {one["severity"] for one in json.loads(run("check", "--json")[1])} == {"note"}


def test_check_looks_at_the_file_that_serve_would_load(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a name the file is the one that RULES names."""
    (tmp_path / "other.yaml").write_text(RULES, "utf-8")
    monkeypatch.setenv("RULES", "other.yaml")
    code, out, _ = run("check")
    assert code == 0
    assert "other.yaml: fine" in out


def test_check_reports_every_mistake_with_its_position(run: Run, tmp_path: Path) -> None:
    """Several mistakes are all reported, sorted, one line each, and the exit code is 1."""
    bad = (
        RULES.replace("call.missed\n", "[]\n")
        .replace("badge: paid", "badge: payed")
        .replace("event.data", "event.dato")
    )
    (tmp_path / "rules.yaml").write_text(bad, "utf-8")
    code, out, _ = run("check", "rules.yaml")
    assert code == 1
    lines = out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("rules.yaml:") for line in lines)
    found = json.loads(run("check", "rules.yaml", "--json")[1])
    assert [f"rules.yaml:{one['line']}:{one['column']}: {one['message']}" for one in found] == lines
    names = [(one["severity"], one["code"], one["help"], one["end"] - one["column"]) for one in found]
    assert names == [
        ("error", "wrong-value", "add at least one", 1),
        ("error", "expression", "did you mean 'data'?", 4),
        ("error", "unknown-name", "did you mean 'paid'?", 5),
    ]


def test_check_shows_the_lines_when_it_is_asked_to(run: Run, tmp_path: Path) -> None:
    """Also where nobody looks at a terminal."""
    (tmp_path / "rules.yaml").write_text(RULES.replace("badge: paid", "badge: payed"), "utf-8")
    _, out, _ = run("check", "--lines")
    _, line, below = out.splitlines()
    assert line.endswith("|     badge: payed")
    assert below.endswith("|            ^^^^^ did you mean 'paid'?")
    assert len(run("check", "--no-lines")[1].splitlines()) == 1


def test_check_warns_of_what_is_for_nothing_and_fails_when_strict(run: Run, tmp_path: Path) -> None:
    """A warning is told and leaves the exit code, unless `--strict` is given; a note leaves it even then."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    code, out, _ = run("check", "--strict")
    assert (code, ": note: " in out, ": warning: " in out) == (0, True, False)
    (tmp_path / "rules.yaml").write_text(RULES.replace("badge: paid", "badge: missedCall"), "utf-8")
    code, out, _ = run("check")
    assert (code, ": warning: no rule uses badge 'paid'" in out, "no mistake, 1 warning" in out) == (0, True, True)
    assert run("check", "--strict")[0] == 1
    assert [one["code"] for one in json.loads(run("check", "--json")[1])] == ["weak-check", "unused-badge"]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["chek"], "'check'"), (["event", "list"], "'events'"), (["events", "lst"], "'list'"), (["start"], "'serve'")],
)
def test_a_command_is_suggested_when_a_name_is_mistyped(run: Run, arguments: list[str], meant: str) -> None:
    """The one that is near, and no other."""
    code, _, err = run(*arguments)
    assert code == 2
    assert f"Did you mean {meant}?" in " ".join(err.replace("│", " ").split())


def test_no_command_is_suggested_when_none_is_near(run: Run) -> None:
    """A guess would be nonsense."""
    assert "Did you mean" not in run("xyz")[2]


def test_check_names_an_unset_secret_unless_told_not_to(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unset name is a mistake; with --no-secrets the file can be checked where the secrets are not."""
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    monkeypatch.delenv("TWILIO_TOKEN")
    code, out, _ = run("check", "rules.yaml")
    assert code == 1
    assert "TWILIO_TOKEN" in out
    assert run("check", "rules.yaml", "--no-secrets")[0] == 0


@pytest.mark.parametrize("word", ["attach: {to: [deal]}", "clear: {on: [call.answered]}"])
def test_check_refuses_what_does_not_work_yet(run: Run, tmp_path: Path, word: str) -> None:
    """A rule that asks for attach or clear is refused at its position."""
    (tmp_path / "rules.yaml").write_text(f"{RULES}    {word}\n", "utf-8")
    code, out, _ = run("check", "rules.yaml")
    assert code == 1
    line = RULES.count("\n") + 1
    assert out.startswith(f"rules.yaml:{line}:5: ")


def test_schema_accepts_the_rules_of_the_tests(run: Run) -> None:
    """The printed schema is a valid JSON Schema."""
    code, out, _ = run("schema")
    assert code == 0
    Draft202012Validator.check_schema(json.loads(out))


@pytest.mark.parametrize("arguments", [["unknown"], ["serve", "--port", "many"], ["events", "show"]])
def test_wrong_use_exits_with_2(run: Run, arguments: list[str]) -> None:
    """A command that is used wrongly says so with exit code 2."""
    assert run(*arguments)[0] == 2


def test_setting_that_cannot_be_understood_exits_with_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong environment variable is a sentence and not a traceback."""
    monkeypatch.setenv("CONCURRENCY", "lots")
    code, _, err = run("events", "list")
    assert code == 2
    assert "CONCURRENCY is 'lots'" in err


def test_package_can_be_run_as_a_module(tmp_path: Path) -> None:
    """As the command that is installed with it."""
    done = subprocess.run(
        [sys.executable, "-m", "badge_bridge", "key"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.strip()) == 44


def test_serve_makes_no_store_when_the_key_is_missing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left behind by a start that cannot succeed."""
    portal = '{url: https://acme.bitrix24.com, oauth: {client_id: local.1, client_secret: "${CLIENT_SECRET}"}}'
    monkeypatch.setenv("CLIENT_SECRET", "cl13nts3cr3tw0rd")
    monkeypatch.delenv("ENCRYPTION_KEY", raising=False)
    (tmp_path / "rules.yaml").write_text(
        f"""
portals: {{main: {portal}}}
sources: {{pbx: {{provider: generic, verify: {{scheme: bearer}}, secrets: ["${{CLIENT_SECRET}}"],
  event: {{type: body.type, id: body.id}}}}}}
badges: {{missed: {{title: t, value: v, type: failure}}}}
rules: [{{name: r, on: x, badge: missed}}]
""",
        "utf-8",
    )
    code, _, err = run("serve", "--port", "0")
    assert code == 2
    assert "ENCRYPTION_KEY is not set" in err
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("loading", ["typer", "uvloop"])
def test_ctrl_c_is_quiet_when_the_command_line_is_still_loading(tmp_path: Path, loading: str) -> None:
    """Whatever is being imported, by the module or by the command itself: exit code 130 and no traceback."""
    (tmp_path / f"{loading}.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n", "utf-8")
    (tmp_path / "state.db").touch()
    child = subprocess.run(
        [sys.executable, "-m", "badge_bridge", "events", "list", "--state", f"sqlite:///{tmp_path}/state.db"],
        # Not ignored, as it is for what a shell runs in its background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.returncode, child.stdout, child.stderr) == (130, "", "")


def test_installed_command_is_what_python_m_runs() -> None:
    """Both begin where nothing is loaded yet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["scripts"] == {"badge-bridge": "badge_bridge.__main__:main"}
