"""The README says what the code does."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET

import pytest
import typer
from pydantic import BaseModel

from badge_bridge import cli, errors, retry
from badge_bridge.cel import EVENT_FIELDS
from badge_bridge.dispatch.local import GRACE
from badge_bridge.events import CALL_TYPES
from badge_bridge.outcomes import Result
from badge_bridge.pipeline import LEASE
from badge_bridge.rulesfile import codes, parse
from badge_bridge.rulesfile.schema import json_schema
from badge_bridge.serverless import processing, sweep
from badge_bridge.settings import ELSEWHERE, SETTINGS
from badge_bridge.sources import OPTIONS
from badge_bridge.store.protocol import State
from badge_bridge.words import WORDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    found = re.search(rf"^(#+) {re.escape(title)}$(.*?)(?=^#{{1,3}} |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, f"the README has no section {title!r}"
    return found[2]


def first_column(title: str) -> list[str]:
    """The code words in the first column of a section's table."""
    rows = re.findall(r"^\|([^|]*)\|", section(title), re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def test_settings_table_is_that_of_the_code() -> None:
    """Each variable stands in the README with its default and its meaning."""
    listed = [*SETTINGS, *ELSEWHERE]
    for setting in listed:
        default = f"`{setting.default}`" if setting.default else "unset"
        assert f"| `{setting.name}` | {default} | {setting.meaning} |" in section("Settings")
    assert first_column("Settings") == [setting.name for setting in listed]


def commands(group: typer.Typer, prefix: str = "") -> dict[str, set[str]]:
    """Options by command."""
    found: dict[str, set[str]] = {}
    command = typer.main.get_command(group)
    for name, entry in command.commands.items():  # type: ignore[attr-defined]
        if hasattr(entry, "commands"):
            for inner, leaf in entry.commands.items():
                found[f"{name} {inner}"] = options(leaf)
        else:
            found[f"{prefix}{name}"] = options(entry)
    return found


def options(command: Any) -> set[str]:
    return {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and option not in {"--help", "--secrets"}
    }


def test_commands_table_is_that_of_the_code() -> None:
    """Every command stands in the README with every option, and no others."""
    documented = {
        re.split(r" (?=[\[A-Z])", text)[0]: set(re.findall(r"--[a-z-]+", text)) for text in first_column("Commands")
    }
    assert documented == commands(cli.app)


def test_table_of_words_is_that_of_the_console() -> None:
    """Each word stands in the README with its meaning, as on the page, and no others."""
    rows = [f"| {word} | {meaning} |" for word, meaning in WORDS]
    assert re.findall(r"^\| (?!word |-).*$", section("Words"), re.MULTILINE) == rows


def test_words_have_those_that_an_event_is_described_with() -> None:
    """Every state and every outcome is explained, and each word but once."""
    words = [word for word, _ in WORDS]
    assert {*get_args(State), *get_args(Result)} <= set(words)
    assert len(words) == len(set(words))


@pytest.mark.parametrize("word", [word for word, _ in WORDS])
def test_word_is_used_where_somebody_meets_it(word: str) -> None:
    """What nobody is told needs no explanation."""
    templates = (ROOT / "functions/badge_bridge/console/templates").glob("*.html")
    pages = " ".join(
        re.sub(r"<[^>]*>|{#.*?#}", " ", file.read_text("utf-8")) for file in templates if file.name != "words.html"
    )
    assert re.search(rf"\b{word}", README.replace(section("Words"), "") + pages, re.IGNORECASE)


def test_table_of_findings_is_that_of_the_code() -> None:
    """Every code with its severity and its meaning, and no others."""
    tables = {"error": codes.ERRORS, "warning": codes.WARNINGS, "note": codes.NOTES}
    rows = [f"| `{code}` | {severity} | {says} |" for severity in tables for code, says in tables[severity].items()]
    assert re.findall(r"^\| `.*$", section("What `check` says"), re.MULTILINE) == rows


@pytest.mark.parametrize("number", range(len(re.findall(r"```yaml\n", README))))
def test_yaml_of_the_readme_is_a_rules_file(number: int) -> None:
    """Each example can be pasted: a whole file loads, a part of one loads when it is put into a whole one."""
    block = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[number]
    lines = block.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    text = "\n".join(line[indent:] for line in lines) + "\n"
    whole = ""
    if "portals:" not in text:
        whole += 'portals:\n  main:\n    webhook: "${HOOK}"\n'
    if "sources:" not in text:
        whole += 'sources:\n  s: {provider: zoom, secrets: ["${TOKEN}"]}\n'
    if "badges:" not in text:
        whole += "badges:\n  b: {title: t, value: v, type: failure}\n"
    if "rules:" not in text:
        whole += "rules:\n  - {name: r, on: call.missed, badge: b}\n"
    assert parse(whole + text, "README.md", providers=OPTIONS, environ=None).rules


def test_xml_of_the_readme_is_well_formed() -> None:
    """What is pasted into a telephone system is read there."""
    blocks = re.findall(r"```xml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        ET.fromstring(textwrap.dedent(block))  # noqa: S314 - our own text


def test_headings_that_the_readme_links_to_exist() -> None:
    """As GitHub names them: in lower case, with dashes, and without punctuation."""
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    names = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= names


def test_http_answers_table_has_every_status_of_the_code() -> None:
    """Every status that a delivery can be refused with is explained."""
    statuses = {
        str(one.status)
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.DeliveryRefused)
    }
    statuses |= {"503", "2xx"}
    table = re.findall(r"^\| (\w+) \|", section("What providers hear"), re.MULTILINE)
    assert set(table) - {"status"} == statuses


def test_retry_schedule_is_that_of_the_code() -> None:
    """The delays that the README names are those that are used."""
    units = {"s": 1, "min": 60, "h": 3600}
    text = " ".join(section("What happens to an event").split())
    listed = re.search(r"is tried again after ([^;]*?), each give or take (\d+) %", text)
    assert listed
    delays = [float(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)", listed[1])]
    assert tuple(delays) == retry.SCHEDULE
    assert int(listed[2]) == round(retry.JITTER * 100)


def test_times_of_the_functions_are_those_of_the_code() -> None:
    """Timeouts and deadlines are set up by what the README says."""
    text = " ".join(section("As functions").split())
    assert f"It waits up to {processing.PATIENCE:g} s" in text
    assert f"takes up to {processing.LONGEST:g} s altogether" in text
    assert f"`sweep` begins nothing after {sweep.BEGINS:g} s and takes up to {sweep.LONGEST:g} s" in text
    assert f"waits for its lease as well, {LEASE:g} s" in text
    assert f"lets what runs end for {GRACE:g} s" in text


def test_functions_table_is_that_of_the_code() -> None:
    """Every entry point is listed, and no other."""
    main = (ROOT / "functions" / "main.py").read_text("utf-8")
    listed = [row.split("`")[1] for row in section("As functions").splitlines() if row.startswith("| `")]
    assert listed == re.findall(r"^async def (\w+)", main, re.MULTILINE)


def test_call_types_and_event_fields_are_those_of_the_code() -> None:
    """Every call type and every field that a condition can read is named."""
    for kind in CALL_TYPES:
        assert f"`{kind}`" in section("`sources`")
    for name in EVENT_FIELDS:
        assert f"`{name}`" in section("`rules`")


def properties(name: str) -> set[str]:
    schema = json_schema(OPTIONS)["$defs"][name]
    return set(schema["properties"])


def test_rules_and_badges_tables_have_every_key() -> None:
    """Every key of a badge and of a rule stands in its table."""
    assert set(first_column("`badges`")) == properties("Badge")
    assert set(first_column("`rules`")) == properties("Rule")


def test_attach_and_portals_tables_have_every_key() -> None:
    """Every key of a portal, of `attach` and of `clear` stands in its table."""
    nested = {f"attach.{key}" for key in properties("Attach")} | {f"clear.{key}" for key in properties("Clear")}
    assert set(first_column("`attach` and `clear`")) == nested
    portal = properties("Portal") - {"oauth"} | {f"oauth.{key}" for key in properties("OAuth")}
    assert set(first_column("`portals`")) == portal


def test_sources_table_has_every_option_of_every_provider() -> None:
    """Every option of every provider stands in the table of sources."""
    documented = {word.partition(".")[0] for word in first_column("`sources`")}
    for options_type in OPTIONS.values():
        assert issubclass(options_type, BaseModel)
        assert set(options_type.model_fields) <= documented


def test_dependencies_table_has_every_dependency() -> None:
    """Every runtime dependency, and what the command line adds, is there with its reason."""
    text = section("Dependencies, and why these")
    declared = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["cli"]]
    for requirement in declared:
        assert re.split(r"[<>=]", requirement)[0].lower() in text.lower()


def test_locks_name_only_files_that_exist() -> None:
    """What a lock says it was compiled with is there."""
    for lock in ROOT.glob("*/requirements*.txt"):
        for name in set(re.findall(r"-c (\S+)", lock.read_text("utf-8"))):
            assert (ROOT / name).exists(), f"{lock.name}: {name}"


def test_make_targets_of_the_readme_exist() -> None:
    """Every `make` command that the README names is a target."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"make ([a-z]+)\b", "\n".join(re.findall(r"`[^`]*`|^\$ .*$", README, re.MULTILINE)))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
