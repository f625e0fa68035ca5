"""The JSON Schema for editors against our own checker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from badge_bridge.errors import RulesError
from badge_bridge.rulesfile import parse
from badge_bridge.rulesfile.document import read
from badge_bridge.rulesfile.schema import json_schema
from support.option_models import ENVIRON, PROVIDERS

DATA = Path(__file__).parents[1] / "data" / "rules"
GOOD = ["smallest.yaml", "example.yaml"]


def schema_lines(text: str) -> set[int]:
    """The lines of the values that the schema refuses."""
    document = read(text.encode(), "r")
    validator = jsonschema.Draft202012Validator(json_schema(PROVIDERS))
    lines = set()
    for error in validator.iter_errors(document.data):
        for path, extra in _places(error):
            keys = [(*path, key) for key in extra] or [path]
            lines |= {(document.keys.get(key) or document.values[key]).line for key in keys}
    return lines


def _places(error: Any) -> list[tuple[tuple[Any, ...], list[str]]]:
    """Where an error of the schema is; of a union, where the closest member fails."""
    if error.validator == "oneOf" and error.context:
        best = min(
            {branch.schema_path[0] for branch in error.context},
            key=lambda number: _distance(error, number),
        )
        return [place for branch in error.context if branch.schema_path[0] == best for place in _places(branch)]
    extra: list[str] = []
    if error.validator == "additionalProperties":
        extra = [key for key in error.instance if repr(key) in error.message]
    return [(tuple(error.absolute_path), extra)]


def _distance(error: Any, number: int) -> tuple[bool, int]:
    branches = [branch for branch in error.context if branch.schema_path[0] == number]
    wrong_kind = any(branch.validator in ("const", "type") and len(branch.path) <= 1 for branch in branches)
    return wrong_kind, len(branches)


def our_lines(text: str) -> set[int]:
    try:
        parse(text, "r", providers=PROVIDERS, environ=ENVIRON)
    except RulesError as error:
        return {finding.line for finding in error.findings}
    return set()


def test_the_schema_is_itself_valid() -> None:
    """The schema is one of draft 2020-12 and says so."""
    schema = json_schema(PROVIDERS)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_valid_for_both(name: str) -> None:
    """What we load, the editor accepts."""
    text = (DATA / name).read_text("utf-8")
    assert schema_lines(text) == our_lines(text) == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('webhook: "${B24_WEBHOOK_URL}"', "webhook: sm://hook"),
        ('secrets: ["${PHONE_SECRET}"]', "secrets: [sm://phone, sm://phone/3, sm://projects/acme/secrets/phone]"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', "    url: sm://url\n    oauth: {client_id: sm://id, client_secret: sm://secret, server: sm://server}\n    install_url: sm://page\n"),
    ],
)  # fmt: skip
def test_a_reference_to_secret_manager_is_valid_for_both(old: str, new: str) -> None:
    """It may stand wherever a name may, also where a URL is asked for."""
    text = (DATA / "smallest.yaml").read_text("utf-8")
    assert text.count(old) == 1
    assert schema_lines(text.replace(old, new)) == set()
    assert parse(text.replace(old, new), "r", providers=PROVIDERS, environ=None).portals


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('secrets: ["${PHONE_SECRET}"]', "secrets: [sm://phone/]"),
        ('secrets: ["${PHONE_SECRET}"]', "secrets: [x-sm://phone]"),
        ("type: failure", "type: red"),
        ("title: Call status", "title: 7"),
        ("title: Call status", "title: {}"),
        ("title: Call status", "title: {english: x}"),
        ("title: Call status", "title: ''"),
        ("on: call.missed", "on: call missed"),
        ("on: call.missed", "on: []"),
        ("on: call.missed", "on: 7"),
        ("on: call.missed", "on: [x, '*.y']"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {to: deal}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {to: []}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {to: [dael]}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {to: [deal, deal]}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {owner: {deal: 3}}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {owner: {dael: x}}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {title: 7}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {text: {}}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {on_missing: contact}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {icon: ''}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {button: yes}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: {colour: red}\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach: yes\n"),
        ("badge: missedCall\n", "badge: missedCall\n    attach:\n"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', "    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1}\n"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_secret: "${B24_ACCESS_TOKEN}"}\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', "    url: https://acme.bitrix24.com\n    oauth: {}\n"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', "    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: open}\n"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: "${SHOP_SECRET}", access_token: "${B24_ACCESS_TOKEN}"}\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: "${SHOP_SECRET}", server: https://oauth.example.com}\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    limits: fast\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    limits: 5\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    limits: {rate: 5}\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    limits: {rate: 0, burst: 1}\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    limits: {rate: 1, burst: 1.5}\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    trusted_hosts: acme.bitrix24.com\n'),
        ('webhook: "${B24_WEBHOOK_URL}"\n', 'webhook: "${B24_WEBHOOK_URL}"\n    trusted_hosts: [https://acme.bitrix24.com]\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: "${SHOP_SECRET}"}\n    install_url: https://bridge.acme.com\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: "${SHOP_SECRET}"}\n    install_url: http://bridge.acme.com/install\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: "${SHOP_SECRET}"}\n    install_url: https://bridge.acme.com/install?x=1\n'),
        ("badge: missedCall\n", "badge: missedCall\n    when: true\n"),
        ("badge: missedCall\n", "badge: missedCall\n    colour: red\n"),
        ("provider: phone", "provider: phone\n    timeout: x"),
        ("provider: phone", "provider: phone\n    unknown: 1"),
        ("provider: phone", "provider: phone\n    country: 49"),
        ('secrets: ["${PHONE_SECRET}"]', "secrets: [open]"),
        ('secrets: ["${PHONE_SECRET}"]', "secrets: []"),
        ('webhook: "${B24_WEBHOOK_URL}"', "webhook: https://acme.bitrix24.com/rest/1/open/"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', "    url: https://acme.bitrix24.com\n"),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    webhook: "${B24_WEBHOOK_URL}"\n    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n    url: https://acme.bitrix24.com\n'),
        ('    webhook: "${B24_WEBHOOK_URL}"\n', '    url: http://acme.bitrix24.com\n    oauth: {access_token: "${B24_ACCESS_TOKEN}"}\n'),
        ("  reception:\n", "  Reception:\n"),
        ("  main:\n", "  main portal:\n"),
    ],
)  # fmt: skip
def test_a_mistake_of_shape_is_found_by_both(old: str, new: str) -> None:
    """The editor marks the lines that our checker reports."""
    text = (DATA / "smallest.yaml").read_text("utf-8")
    assert text.count(old) == 1
    broken = text.replace(old, new)
    assert schema_lines(broken) == our_lines(broken) != set()


def test_a_mistyped_key_is_marked_where_it_stands_by_both() -> None:
    """An editor marks besides what lacks the key, for which no schema can know that the other one was meant."""
    broken = (DATA / "smallest.yaml").read_text("utf-8").replace("    type: failure", "    typ: failure")
    assert our_lines(broken) == {12}
    assert schema_lines(broken) == {9, 12}


def test_clear_needs_attach_for_both() -> None:
    """The schema has a rule that clears what it never attached refused, as our checker has."""
    text = (DATA / "smallest.yaml").read_text("utf-8") + "    clear: {}\n"
    assert our_lines(text) == {17}
    assert schema_lines(text) == {14}  # of the rule: a schema cannot point at the key alone


def test_every_key_is_described_for_editors() -> None:
    """What an editor shows beside a key comes from the models."""
    schema = json_schema(PROVIDERS)
    for name in ("Portal", "Badge", "Rule", "OAuth", "OwnLimits", "Attach", "OwnerIds", "Clear"):
        for key, described in schema["$defs"][name]["properties"].items():
            assert described.get("description"), f"{name}.{key}"
    assert all(schema["properties"][section]["description"] for section in ("portals", "sources", "badges", "rules"))


def test_the_schema_knows_nothing_of_the_environment() -> None:
    """The schema is the same for everybody and has no secret in it."""
    assert "secret-" not in json.dumps(json_schema(PROVIDERS))
