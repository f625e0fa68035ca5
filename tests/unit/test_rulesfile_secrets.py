"""Secrets in a rules file: where they come from, and where they never show."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from badge_bridge.errors import BridgeError, RulesError
from badge_bridge.rulesfile import Draft, RulesFile, parse, read_file
from badge_bridge.rulesfile.examining import examine_text
from badge_bridge.rulesfile.schema import json_schema
from badge_bridge.rulesfile.secrets import Known
from badge_bridge.sources import OPTIONS
from support.option_models import ENVIRON, PROVIDERS

DATA = Path(__file__).parents[1] / "data" / "rules"
SMALLEST = (DATA / "smallest.yaml").read_text("utf-8")
HOOK = "https://acme.bitrix24.com/rest/7/s3cr3tw0rd/"


def rules(text: str, **environ: str) -> RulesFile:
    return parse(text, "r", providers=PROVIDERS, environ={**ENVIRON, **environ})


def findings(text: str, **environ: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        rules(text, **environ)
    return [str(finding) for finding in caught.value.findings]


def phone_secret(loaded: RulesFile) -> str:
    return str(loaded.sources["reception"].secrets[0].get_secret_value())  # type: ignore[attr-defined]


def written(secret: str) -> str:
    return SMALLEST.replace('"${PHONE_SECRET}"', secret)


def test_a_name_is_replaced_when_it_is_set() -> None:
    """`${NAME}` becomes the value from the environment, also as a part of a text."""
    assert phone_secret(rules(SMALLEST)) == ENVIRON["PHONE_SECRET"]
    assert phone_secret(rules(written('"user:${PHONE_SECRET}"'))) == f"user:{ENVIRON['PHONE_SECRET']}"


def test_a_value_is_not_read_again_when_it_holds_a_name() -> None:
    """What comes from the environment is taken as it is."""
    assert phone_secret(rules(SMALLEST, PHONE_SECRET="${B24_WEBHOOK_URL}")) == "${B24_WEBHOOK_URL}"


def test_two_dollars_are_one_when_escaped() -> None:
    """`$${` stands for `${`; a dollar alone needs nothing."""
    loaded = rules(SMALLEST.replace("provider: phone", "provider: phone\n    country: '$${X} 5$'"))
    assert loaded.sources["reception"].country == "${X} 5$"  # type: ignore[attr-defined]


def test_names_are_left_alone_when_outside_of_portals_and_sources() -> None:
    """Rules and badges are not filled from the environment."""
    assert rules(SMALLEST.replace("Call status", '"${HOME}"')).badges["missedCall"].title == "${HOME}"


@pytest.mark.parametrize("value", ["", None])
def test_a_name_is_reported_when_it_is_not_set(value: str | None) -> None:
    """An unset or empty name is named, with its position."""
    environ = {**ENVIRON, "PHONE_SECRET": value or ""}
    if value is None:
        del environ["PHONE_SECRET"]
    with pytest.raises(RulesError) as caught:
        parse(SMALLEST, "r", providers=PROVIDERS, environ=environ)
    assert str(caught.value) == "r:7:15: PHONE_SECRET is not set in the environment; set it, or correct the name"


def test_a_value_is_refused_when_it_ends_in_a_line_end() -> None:
    """The line end that a file leaves on a secret is found here and not as a wrong signature."""
    (found,) = findings(SMALLEST, PHONE_SECRET="phone-secret-5521\n")
    assert found == "r:7:15: the value of PHONE_SECRET has a line end or another invisible character; set it without"


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("open-secret-1", "a secret must not stand in this file, it would end up in version control; write ${NAME} and set NAME in the environment"),
        ("sm:///phone", "this is no reference to a secret in Secret Manager; write sm://NAME, sm://NAME/VERSION or sm://projects/PROJECT/secrets/NAME[/versions/VERSION]"),
        ("sm://phone", "sm://phone was not read from Secret Manager"),
        ("a-sm://phone", "a secret must not stand in this file, it would end up in version control; write ${NAME} and set NAME in the environment"),
        ('"${PHONE-SECRET}"', "${ begins a name that does not end; write ${NAME} with letters, digits and _, or $${ for ${"),
        ('"${}${PHONE_SECRET}"', "${ begins a name that does not end; write ${NAME} with letters, digits and _, or $${ for ${"),
        ('"$${PHONE_SECRET}"', "a secret must not stand in this file, it would end up in version control; write ${NAME} and set NAME in the environment"),
    ],
)  # fmt: skip
def test_a_secret_is_refused_when_it_is_not_a_name(secret: str, message: str) -> None:
    """A secret in the file is one finding that says what to write; the secret is not repeated."""
    assert findings(written(secret)) == [f"r:7:15: {message}"]


def known(text: str, known: Known, **environ: str) -> list[str]:
    """The secrets of the source, newest first."""
    whole = {**ENVIRON, **environ}
    draft = Draft(text, "r")
    assert draft.wanted(whole) == set(known)
    loaded = draft.checked(providers=PROVIDERS, environ=whole, known=known)
    found = [one.get_secret_value() for one in loaded.sources["reception"].secrets]  # type: ignore[attr-defined]
    assert set(found) <= loaded.secrets
    return found


def test_a_list_of_secrets_takes_every_version() -> None:
    """Where a secret stands in Secret Manager, each of its values is one more that may match; the newest is first."""
    both: Known = {"sm://phone": ("new", "old")}
    assert known(written("sm://phone"), both) == ["new", "old"]
    assert known(SMALLEST, both, PHONE_SECRET="sm://phone") == ["new", "old"]
    assert known(written('"user:${PHONE_SECRET}"'), both, PHONE_SECRET="sm://phone") == ["user:new", "user:old"]
    assert known(written('"${PHONE_SECRET_OLD}", sm://phone, "${PHONE_SECRET}"'), both) == [
        ENVIRON["PHONE_SECRET_OLD"],
        "new",
        ENVIRON["PHONE_SECRET"],
        "old",
    ]


def test_versions_of_several_secrets_in_one_text_are_combined() -> None:
    """A user and a password that are both being replaced may meet in any way; not without end."""
    text = written('"${PHONE_SECRET}:${PHONE_SECRET_OLD}"')
    environ = {"PHONE_SECRET": "sm://user", "PHONE_SECRET_OLD": "sm://password/7"}
    found = known(text, {"sm://user": ("a", "b"), "sm://password/7": ("x", "y")}, **environ)
    assert found == ["a:x", "a:y", "b:x", "b:y"]
    many = tuple(map(str, range(40)))
    assert len(known(text, {"sm://user": many, "sm://password/7": many}, **environ)) == 100


def test_a_single_value_is_the_newest_version() -> None:
    """Where no list of secrets stands there is room for one."""
    text = SMALLEST.replace("provider: phone", "provider: phone\n    country: sm://country")
    loaded = Draft(text, "r").checked(providers=PROVIDERS, environ=ENVIRON, known={"sm://country": ("DE", "FR")})
    assert loaded.sources["reception"].country == "DE"  # type: ignore[attr-defined]


def test_a_value_of_secret_manager_is_not_read_again() -> None:
    """What it holds is taken as it is, whatever it looks like."""
    assert known(written("sm://phone"), {"sm://phone": ("${PHONE_SECRET}",)}) == ["${PHONE_SECRET}"]


def test_a_secret_that_could_not_be_had_says_why_at_its_place() -> None:
    """And everything else is still checked."""
    text = written("sm://phone").replace("type: failure", "type: red")
    with pytest.raises(RulesError) as caught:
        Draft(text, "r").checked(providers=PROVIDERS, environ=ENVIRON, known={"sm://phone": BridgeError("it is gone")})
    assert str(caught.value.findings[0]) == "r:7:15: it is gone"
    assert len(caught.value.findings) == 2


def test_references_outside_of_portals_and_sources_are_left_alone() -> None:
    """Texts of badges are shown, so nothing is fetched for them."""
    text = SMALLEST.replace("Call status", "sm://title")
    assert Draft(text, "r").wanted(ENVIRON) == set()
    assert rules(text).badges["missedCall"].title == "sm://title"


def test_references_are_checked_when_secrets_are_not_known() -> None:
    """A merge request needs no Secret Manager, and is told of a reference that can be none."""
    text = SMALLEST.replace('"${B24_WEBHOOK_URL}"', "sm://hook")
    assert parse(text.replace('"${PHONE_SECRET}"', "sm://phone/3"), providers=PROVIDERS, environ=None).rules
    with pytest.raises(RulesError, match="r:7:15: this is no reference"):
        parse(text.replace('"${PHONE_SECRET}"', "sm://phone/"), "r", providers=PROVIDERS, environ=None)


def test_secrets_show_nowhere_when_loaded() -> None:
    """Neither a repr nor the schema has a value of a secret."""
    loaded = rules((DATA / "example.yaml").read_text("utf-8"))
    shown = repr(loaded) + repr(loaded.sources) + str(loaded.portals) + json.dumps(json_schema(PROVIDERS))
    assert not [value for value in ENVIRON.values() if value in shown]


def test_a_webhook_is_not_repeated_when_it_is_wrong() -> None:
    """A webhook URL that cannot be one is refused without showing it."""
    (found,) = findings(SMALLEST, B24_WEBHOOK_URL="https://acme.bitrix24.com/rest/1/hidden-4711/crm.lead.add.json")
    assert found.startswith("r:3:14: an inbound webhook's URL looks like https://<portal>/rest/<user id>/<secret>/")
    assert "hidden-4711" not in found


@pytest.mark.parametrize(
    "url", ["http://acme.bitrix24.com/rest/1/hidden/", "ftp://x/rest/1/hidden/", "hidden", "https:///rest/1/hidden/"]
)
def test_a_webhook_is_refused_when_it_is_not_https(url: str) -> None:
    """A secret is sent over https only."""
    (found,) = findings(SMALLEST, B24_WEBHOOK_URL=url)
    assert found.startswith("r:3:14: ")
    assert "hidden" not in found


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090"])
def test_a_webhook_may_be_http_when_it_is_on_this_machine(host: str) -> None:
    """A sandbox on loopback needs no certificate."""
    assert rules(SMALLEST, B24_WEBHOOK_URL=f"http://{host}/rest/1/abc/").portals["main"].url == f"http://{host}"


def test_the_values_are_given_for_redaction() -> None:
    """Logs get every secret, and of a webhook also the part that is the secret in its URL."""
    values = rules(SMALLEST).secrets
    assert values == {ENVIRON["B24_WEBHOOK_URL"], "hook-secret-8472", ENVIRON["PHONE_SECRET"]}


def test_everything_else_is_checked_when_secrets_are_not_known() -> None:
    """Without an environment a file can be checked, as a merge request does: no secret is needed or reported."""
    for name in ("smallest.yaml", "example.yaml"):
        loaded = parse(read_file(DATA / name), str(DATA / name), providers=PROVIDERS, environ=None)
        assert loaded.secrets == frozenset()
        assert len(loaded.sources) == (DATA / name).read_text("utf-8").count("provider:")
    with pytest.raises(RulesError) as caught:
        parse(read_file(DATA / "mistakes.yaml"), str(DATA / "mistakes.yaml"), providers=PROVIDERS, environ=None)
    found = {(finding.line, finding.column) for finding in caught.value.findings}
    with pytest.raises(RulesError) as caught:
        parse(read_file(DATA / "mistakes.yaml"), str(DATA / "mistakes.yaml"), providers=PROVIDERS, environ=ENVIRON)
    assert {(finding.line, finding.column) for finding in caught.value.findings} - found == {(9, 14)}


def test_findings_survive_a_trip_to_another_process() -> None:
    """Findings can be pickled."""
    with pytest.raises(RulesError) as caught:
        rules(written("x"))
    assert pickle.loads(pickle.dumps(caught.value.findings)) == caught.value.findings  # noqa: S301 - our own bytes


@pytest.mark.parametrize("name", ["../phone", "PHONE", '"phone\\r\\nSet-Cookie: a=b"', "p" * 64])
def test_name_of_a_source_is_checked_when_secrets_are_not_known(name: str) -> None:
    """What stands below a name says nothing about it."""
    text = SMALLEST.replace("  reception:\n", f"  {name}:\n")
    with pytest.raises(RulesError, match="a source's name is part of a URL"):
        parse(text, "r", providers=PROVIDERS, environ=None)


SHOP = """
portals:
  main: {webhook: "${WEBHOOK}"}
sources:
  shop:
    provider: generic
    verify: {scheme: bearer}
    secrets: ["${SECRET}"]
    event: {type: body.type, id: body.id}
    country: "${COUNTRY}"
badges:
  sold: {title: Shop, value: Sold, type: success}
rules:
  - {name: sold, on: order.paid, badge: sold}
"""


def test_other_options_of_a_source_are_as_written_when_a_placeholder_is_no_value_of_one() -> None:
    """A country from the environment is not known without it; the source can still be looked at, and warns as ever."""
    loaded = parse(SHOP, "r", providers=OPTIONS, environ=None)
    options = loaded.sources["shop"]
    assert isinstance(options, OPTIONS["generic"])
    assert (options.country, options.secrets[0].get_secret_value()) == (None, "${UNKNOWN}")  # type: ignore[attr-defined]
    known = parse(SHOP, "r", providers=OPTIONS, environ={"WEBHOOK": HOOK, "SECRET": "s" * 20, "COUNTRY": "DE"})
    assert [str(one) for one in loaded.cautions] == [str(one) for one in known.cautions]


def test_source_is_named_and_no_more_when_a_placeholder_stands_where_a_value_must() -> None:
    """What says how a source verifies cannot be made up, and nothing is concluded from it."""
    text = SHOP.replace("verify: {scheme: bearer}", 'verify: "${VERIFY}"')
    loaded = parse(text, "r", providers=OPTIONS, environ=None)
    assert list(loaded.sources) == ["shop"]
    assert loaded.cautions == ()
    assert examine_text(text, "r", providers=OPTIONS).rules is not None
