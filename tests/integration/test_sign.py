"""`badge-bridge sign`: sample deliveries that a running bridge accepts, and clear words where there can be none."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from httpx import ASGITransport
from typer.testing import CliRunner, Result

from badge_bridge import curl_commands, delivery_files
from badge_bridge.cli import app
from badge_bridge.cli_samples import key_in
from badge_bridge.delivery_files import record
from badge_bridge.errors import BridgeError, RulesError, SettingsError
from badge_bridge.rulesfile import RulesFile, parse, read_file
from badge_bridge.server import create_app
from badge_bridge.signing import SampleNotSent, bridge_at, doubts, samples, seconds_to_judge, send, url_of
from badge_bridge.sources import OPTIONS, PROVIDERS, build_all
from badge_bridge.sources.base import NoSample, SampleCall
from badge_bridge.sources.joining import LegEvent, judged_event
from support.company import RULES, open_company
from support.every_source import NOW, WHSEC
from support.portals import run_virtually, virtual_clock
from support.programs import badge_bridge, sandbox, serve, serving_environ
from support.senders import PRIVATE, PUBLIC

PHONES = RULES.replace(
    "sources:\n",
    'sources:\n  phones: {provider: zoom, secrets: ["${PBX_TOKEN}"]}\n'
    '  office: {provider: mango, secrets: ["${OFFICE}"]}\n',
    1,
)
ENVIRON = {"CLIENT_SECRET": "c", "PBX_TOKEN": "a-token-0123456789", "OFFICE": "key0123456789:salt0123456789"}


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(PHONES)
    return path


def loaded(path: Path) -> RulesFile:
    return parse(read_file(str(path)), str(path), providers=OPTIONS, environ=ENVIRON)


def call(now: float) -> SampleCall:
    return SampleCall(id="abc", outcome="missed", at=now - 25, now=now)


def test_samples_are_sent_to_a_bridge_that_takes_them() -> None:
    """What is sent is stored and judged, also where the provider adds to the path; a second time it is a duplicate."""

    async def story() -> None:
        async with open_company(rules=PHONES, environ={"OFFICE": ENVIRON["OFFICE"]}) as company:
            transport = ASGITransport(create_app(company.bridge))
            for source in ("phones", "office"):
                for _ in range(2):
                    deliveries = samples(build_all(company.bridge.rules.sources), source, call(virtual_clock()))
                    answers = await send("http://127.0.0.1:8080", source, deliveries, transport=transport)
                    assert [status for status, _ in answers] == [200] * len(deliveries)
            judged = [event for event in await company.ended() if event.event.leg is None]
            assert [(event.event.source, event.event.type) for event in judged] == [
                ("phones", "call.missed"),
                ("office", "call.missed"),
            ]

    run_virtually(story())


def test_path_that_a_provider_adds_is_for_such_providers_only() -> None:
    """`/hooks/<name>/<more>` is no second name for every source."""

    async def story() -> None:
        async with open_company(rules=PHONES, environ={"OFFICE": ENVIRON["OFFICE"]}) as company:
            transport = ASGITransport(create_app(company.bridge))
            (first, *_) = samples(build_all(company.bridge.rules.sources), "phones", call(virtual_clock()))
            answers = await send("http://x", "phones/events", [first], transport=transport)
            assert [status for status, _ in answers] == [404]

    run_virtually(story())


def test_curl_command_carries_the_whole_delivery(rules_file: Path) -> None:
    """A shell reads method, headers, body and address out of it as they are."""
    (delivery,) = samples(build_all(loaded(rules_file).sources), "office", call(1_763_778_600.0))
    words = shlex.split(curl_commands.write(delivery, url_of("https://bridge.example.com", "office", delivery)))
    assert words[0] == "curl"
    assert words[-1] == "https://bridge.example.com/hooks/office/events/summary"
    assert words[words.index("--data-raw") + 1].encode() == delivery.body
    assert [f"{name}: {value}" for name, value in delivery.headers] == [
        words[index + 1] for index, word in enumerate(words) if word == "--header"
    ]


def test_source_that_is_not_there_or_cannot_be_signed_for_is_named(rules_file: Path) -> None:
    """The error says what there is, or why there is nothing."""
    with pytest.raises(SettingsError, match="phones, office, pbx"):
        samples(build_all(loaded(rules_file).sources), "nothing", call(0.0))  # exit code 2, as for other names
    with pytest.raises(NoSample, match="source pbx"):
        samples(build_all(loaded(rules_file).sources), "pbx", call(0.0))


@pytest.mark.slow
def test_sample_goes_to_the_serve_that_has_the_store(tmp_path: Path) -> None:
    """Whatever its port; when it has ended, to the usual one, and the error names the option that says another."""
    with sandbox() as (_, webhook):
        env = {**os.environ, **serving_environ(tmp_path, webhook)}
        with serve(tmp_path, webhook) as (_, url):
            told = subprocess.run(
                badge_bridge("sign", "office", "--json"), env=env, cwd=tmp_path, stdout=subprocess.PIPE, check=True
            )
            assert [one["url"].startswith(f"{url}/hooks/office") for one in json.loads(told.stdout)] == [True]
            sent = badge_bridge("sign", "office", "--send", "--caller", "123")
            done = subprocess.run(sent, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
            assert done.stdout.startswith(f"200 from {url}/hooks/office")
            assert "--caller 123 is no telephone number" in done.stderr
            env["ZADARMA_SECRET"] = "another than that of serve"
            done = subprocess.run(sent, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout.startswith("401 from ")) == (1, True)
            assert "note: 401 means that the secret is another one there than here" in done.stderr
            env |= serving_environ(tmp_path, webhook)
        told = subprocess.run(
            badge_bridge("sign", "office", "--json"), env=env, cwd=tmp_path, stdout=subprocess.PIPE, check=True
        )
        assert json.loads(told.stdout)[0]["url"].startswith("http://127.0.0.1:8080/hooks/office")


async def test_bridge_that_is_not_running_is_told(rules_file: Path) -> None:
    """Nobody has to read a traceback to learn that serve is not running."""
    deliveries = samples(build_all(loaded(rules_file).sources), "office", call(0.0))
    with pytest.raises(SampleNotSent, match="serve` running there\\? --to says where it is"):
        await send("http://127.0.0.1:1", "office", deliveries)


def test_command_prints_curl_or_json_and_fails_where_it_cannot(
    rules_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One command a line; with --json the parts of each delivery; an error of ours for what cannot be signed."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    runner = CliRunner()
    rules = ["--rules", str(rules_file)]
    printed = runner.invoke(app, ["sign", "phones", *rules, "--outcome", "answered"])
    assert printed.exit_code == 0
    lines = printed.stdout.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("curl ") for line in lines)
    parts = json.loads(runner.invoke(app, ["sign", "phones", *rules, "--json"]).stdout)
    assert {"method", "url", "headers", "body"} == parts[0].keys()
    failed = runner.invoke(app, ["sign", "pbx", *rules])
    assert isinstance(failed.exception, BridgeError)


BODIES = """\
portals:
  main: {webhook: "https://acme.bitrix24.com/rest/1/${B24_HOOK}/"}
sources:
  shop: {provider: generic, verify: VERIFY, secrets: ["${SHOP}"], event: {type: "'order.' + body.status", id: body.id}}
  producer: {provider: cloudevents, verify: VERIFY, secrets: ["${SHOP}"]}
badges:
  paid: {title: Order, value: Paid, type: success}
rules:
  - {name: paid, on: order.paid, badge: paid}
"""
BODY = b'{"status": "paid", "id": "o-1"}'
EVENT = json.dumps({"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid"}).encode()


def verify(rules: RulesFile, name: str, told: SampleCall) -> tuple[str, str]:
    """How a sample is verified, and the type of the event that it makes."""
    (delivery,) = samples(build_all(rules.sources), name, told)
    source = build_all(rules.sources)[name]
    return source.verify(delivery), source.read(delivery)[0].event.type


def with_bodies(scheme: str, secret: str) -> RulesFile:
    environ = {"SHOP": secret, "B24_HOOK": "abcdefabcdefabcd"}
    return parse(BODIES.replace("VERIFY", scheme), providers=OPTIONS, environ=environ)


@pytest.mark.parametrize(
    ("scheme", "secret", "said"),
    [
        ("{scheme: standard-webhooks}", WHSEC, "hmac-sha256 over body and time"),
        ("{scheme: hmac, header: X-Hub-Signature-256, prefix: 'sha256='}", "s-0123456789", "hmac-sha256 over body"),
        ("{scheme: hmac, header: X-S, algorithm: sha512, encoding: base64}", "s-0123456789", "hmac-sha512 over body"),
        ("{scheme: hmac-timestamped, header: S}", "s-0123456789", "hmac-sha256 over body and time"),
        ("{scheme: bearer}", "s-0123456789", "bearer token"),
        ("{scheme: bearer}", "schlüssel-€-0123456789", "bearer token"),
        ("{scheme: basic}", "user:pass wörd", "basic credentials"),
    ],
)
@pytest.mark.parametrize(("name", "body"), [("shop", BODY), ("producer", EVENT)])
def test_body_of_the_senders_own_is_signed_as_the_rules_file_says(
    scheme: str, secret: str, said: str, name: str, body: bytes
) -> None:
    """What is given with --body is a delivery that the source takes."""
    rules = with_bodies(scheme, secret)
    assert verify(rules, name, replace(call(NOW), body=body)) == (said, "order.paid")
    fields = "status, id" if name == "shop" else "specversion, id, source, type"
    with pytest.raises(NoSample, match=f"--body FILE, JSON with {fields}$"):
        samples(build_all(rules.sources), name, call(NOW))


def test_token_in_the_body_has_to_be_written_there() -> None:
    """The body is sent as it is given, so its token must be the source's."""
    one = BODIES.replace("VERIFY", "{scheme: token, field: token}", 1).replace("VERIFY", "{scheme: bearer}")
    rules = parse(one, providers=OPTIONS, environ={"SHOP": "s-0123456789", "B24_HOOK": "abcdefabcdefabcd"})
    body = b'{"token": "s-0123456789", "status": "paid", "id": "1"}'
    assert verify(rules, "shop", replace(call(NOW), body=body))[1] == "order.paid"
    with pytest.raises(NoSample, match="field token of the body"):
        samples(build_all(rules.sources), "shop", replace(call(NOW), body=BODY))


def test_source_with_bodies_of_its_own_takes_none(rules_file: Path) -> None:
    """A body for a provider whose form is known would not be what it is taken for."""
    with pytest.raises(SampleNotSent, match="zoom has bodies of its own"):
        samples(build_all(loaded(rules_file).sources), "phones", replace(call(NOW), body=BODY))


@pytest.mark.parametrize(("name", "body"), [("trunk", b""), ("shop", BODY)])
def test_public_key_is_tried_with_a_key_pair_of_ones_own(tmp_path: Path, name: str, body: bytes) -> None:
    """Telnyx and v1a keys: the error says which public key to add, and with it a sample is genuine."""
    key = key_in(tmp_path / "try.key")
    assert key_in(tmp_path / "try.key") == key
    assert (tmp_path / "try.key").stat().st_mode & 0o777 == 0o600
    told = replace(call(NOW), private_key=key, body=body)
    other = base64.b64encode(bytes(32)).decode()
    trunk = 'sources:\n  trunk: {provider: telnyx, secrets: ["${TRUNK}"]}\n'
    schemes = BODIES.replace("VERIFY", "{scheme: standard-webhooks}").replace("sources:\n", trunk)

    def rules_with(secret: str) -> RulesFile:
        environ = {"TRUNK": other, "SHOP": f"whpk_{other}", "B24_HOOK": "abcdefabcdefabcd", name.upper(): secret}
        return parse(schemes, providers=OPTIONS, environ=environ)

    before = rules_with(f"whpk_{other}" if name == "shop" else other)
    with pytest.raises(NoSample, match="--key-file FILE makes another pair"):
        samples(build_all(before.sources), name, replace(told, private_key=b""))
    with pytest.raises(NoSample, match="let the public key of that file stand") as error:
        samples(build_all(before.sources), name, told)
    after = rules_with(re.findall("TRIAL_KEY=([^,]+),", str(error.value))[0])
    for delivery in samples(build_all(after.sources), name, told):
        assert build_all(after.sources)[name].verify(delivery) == "ed25519 over body and time"


@pytest.mark.parametrize("outcome", ["missed", "answered"])
def test_call_that_telnyx_would_tell_of_is_judged(outcome: Literal["missed", "answered"]) -> None:
    """Its legs come to the outcome that was asked for."""
    options = OPTIONS["telnyx"].model_validate({"provider": "telnyx", "secrets": [PUBLIC]})
    source = PROVIDERS["telnyx"]("trunk", options)
    told = replace(call(NOW), outcome=outcome, private_key=PRIVATE.private_bytes_raw())
    legs = [LegEvent(str(at), NOW, source.read(one)[0].event) for at, one in enumerate(source.sample(told))]
    assert judged_event(legs).type == f"call.{outcome}"


def run_sign(monkeypatch: pytest.MonkeyPatch, rules: str, *arguments: str, **environ: str) -> Result:
    Path("rules.yaml").write_text(rules)
    for name, value in {"B24_HOOK": "abcdefabcdefabcd", **environ}.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, ["sign", *arguments])


def test_new_key_is_told_before_the_rules_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody needs another public key first: the one of the new pair is what the rules file waits for."""
    monkeypatch.chdir(tmp_path)
    rules = BODIES.replace("VERIFY", "{scheme: standard-webhooks}")
    Path("order.json").write_bytes(BODY)
    arguments = ("shop", "--body", "order.json", "--key-file", "try.key")
    first = run_sign(monkeypatch, rules, *arguments)
    assert isinstance(first.exception, RulesError)
    (public,) = re.findall(r"whpk_\S+", first.stderr)
    second = run_sign(monkeypatch, rules, *arguments, SHOP=public)
    assert second.exit_code == 0
    assert second.stdout.startswith("curl ")
    assert second.stderr == ""


@pytest.mark.parametrize(("name", "secret"), [("phones", "token-0123456789"), ("shop", WHSEC)])
def test_key_that_would_sign_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, secret: str
) -> None:
    """A source with a secret signs with that."""
    monkeypatch.chdir(tmp_path)
    rules = BODIES.replace("VERIFY", "{scheme: standard-webhooks}")
    rules = rules.replace("sources:\n", 'sources:\n  phones: {provider: zoom, secrets: ["${PHONES}"]}\n')
    environ = {"PHONES": "token-0123456789", "SHOP": WHSEC, name.upper(): secret}
    Path("order.json").write_bytes(BODY)
    body = ["--body", "order.json"] if name == "shop" else []
    failed = run_sign(monkeypatch, rules, name, *body, "--key-file", "try.key", **environ)
    assert isinstance(failed.exception, SampleNotSent)
    assert "leave out --key-file" in str(failed.exception)


def test_body_that_is_not_what_is_mapped_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is signed all the same, and a note says what the bridge will answer."""
    monkeypatch.chdir(tmp_path)
    rules = BODIES.replace("VERIFY", "{scheme: bearer}").replace("verify:", "format: form, verify:", 1)
    Path("order.json").write_bytes(BODY)
    done = run_sign(monkeypatch, rules, "shop", "--body", "order.json", SHOP="s-0123456789")
    assert done.exit_code == 0
    assert "as the rules file has shop, this is refused with 4" in done.stderr
    Path("order.json").write_bytes(b"status=paid&id=1")
    done = run_sign(monkeypatch, rules, "shop", "--body", "order.json", SHOP="s-0123456789")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("body", "said"), [("/dev/zero", "more than 1,048,576 bytes"), ("/dev/null", "is empty"), ("none", "No such file")]
)
def test_body_without_end_or_beginning_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, said: str
) -> None:
    """No file makes the command read for ever, or send nothing."""
    monkeypatch.chdir(tmp_path)
    rules = BODIES.replace("VERIFY", "{scheme: bearer}")
    failed = run_sign(monkeypatch, rules, "shop", "--body", body, SHOP="s-0123456789")
    assert isinstance(failed.exception, SettingsError)
    assert said in str(failed.exception)


@pytest.mark.parametrize(
    ("source", "outcome", "seconds"),
    [("phones", "missed", 30.0), ("phones", "answered", 5.0), ("office", "missed", 0.0)],
)
def test_wait_for_the_judgement_is_known(
    rules_file: Path, source: str, outcome: Literal["missed", "answered"], seconds: float
) -> None:
    """Where a queue may ring on, longer than the grace time; where one delivery says it all, there is none."""
    found = build_all(loaded(rules_file).sources)
    told = samples(found, source, replace(call(NOW), outcome=outcome))
    assert seconds_to_judge(found[source], told) == seconds


def test_file_that_is_no_private_key_is_left_alone(tmp_path: Path) -> None:
    """A name that was mistaken costs nobody a file."""
    (tmp_path / "notes").write_text("dear diary")
    with pytest.raises(SettingsError, match="name a new file"):
        key_in(tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "dear diary"


@pytest.mark.parametrize(
    "address", ["http://xn--zz--a.de", "http://h:99999", "ftp://h", "http://h/?a=1", "http://\udcff"]
)
def test_address_that_is_none_is_refused(address: str) -> None:
    """Before anything is signed, and with what to write instead."""
    with pytest.raises(SettingsError, match="write where the bridge is"):
        bridge_at(address, "office")


@pytest.mark.parametrize("option", ["--caller", "--line", "--call"])
def test_option_that_is_no_utf_8_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str) -> None:
    """As Python has such bytes of the command line."""
    monkeypatch.chdir(tmp_path)
    failed = run_sign(monkeypatch, PHONES, "phones", option, "+49\udcff", **ENVIRON)
    assert isinstance(failed.exception, SettingsError)
    assert str(failed.exception) == f"{option} is no UTF-8"


@pytest.mark.parametrize("secret", ["schlüssel-€-0123456789", "voilà-voilà", "вздох-вздох", "\u0421\u0420-tail\u0420"])
@pytest.mark.parametrize("provider", ["ringcentral", "shop"])
def test_token_that_is_not_ascii_goes_the_whole_way(provider: str, secret: str) -> None:
    """Signed, sent, and read from each form in which it is printed, as its bytes in UTF-8."""
    ring = '  ringcentral: {provider: ringcentral, secrets: ["${SHOP}"]}\n'
    text = BODIES.replace("VERIFY", "{scheme: bearer}").replace("sources:\n", f"sources:\n{ring}", 1)
    environ = {"SHOP": secret, "B24_HOOK": "abcdefabcdefabcd"}

    async def story() -> None:
        async with open_company(rules=text, environ=environ) as company:
            sources, now = build_all(company.bridge.rules.sources), virtual_clock()
            told = replace(call(now), body=BODY if provider == "shop" else b"")
            made = samples(sources, provider, told)
            assert doubts(sources[provider], made) == []
            url = url_of("http://h", provider, made[0])
            head = "".join(f"{name}: {value}\r\n" for name, value in made[0].headers).encode("latin-1")
            forms = [
                curl_commands.write(made[0], url).encode(),
                json.dumps(record(made[0], url), ensure_ascii=False).encode(),
                f"POST /hooks/{provider} HTTP/1.1\r\n".encode() + head + b"\r\n" + made[0].body,
            ]
            for content in forms:
                assert secret.encode() in content
                ((_, again),) = delivery_files.parse(content, at=now)
                assert replace(again, headers=list(again.headers)) == replace(made[0], headers=list(made[0].headers))
            transport = ASGITransport(create_app(company.bridge))
            answers = await send("http://127.0.0.1:8080", provider, made, transport=transport)
            assert {status for status, _ in answers} <= {200, 204}

    run_virtually(story())


def test_address_is_put_together_with_path_and_query(rules_file: Path) -> None:
    """A slash at the end of the bridge's address makes no difference, nor that it is the URL of the source."""
    (delivery,) = samples(build_all(loaded(rules_file).sources), "office", call(0.0))
    given = ("http://h", "http://h/", "http://h/hooks/office", "http://h/hooks/office/")
    whole = {url_of(bridge_at(address, "office"), "office", delivery) for address in given}
    assert whole == {"http://h/hooks/office/events/summary"}
    below = bridge_at("https://h:8443/bridge/", "office")
    assert url_of(below, "office", delivery) == "https://h:8443/bridge/hooks/office/events/summary"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://[::1", "is no URL"),
        ("http://exämple..com", "is no URL"),
        ("http://h/\x1b[2J", "is no URL"),
        ("http://h:99999", "is no http or https URL"),
        ("h.example.com", "is no http or https URL"),
        ("ftp://h", "is no http or https URL"),
        ("http://", "is no http or https URL"),
        ("http://h/?a=1", "has a query"),
        ("http://h/?", "has a query"),
        ("http://h/#top", "a fragment"),
        ("http://h/hooks", "is not the URL of source office"),
        ("http://h/hooks/phones", "is not the URL of source office"),
        ("http://h/hooks/phones/hooks/office", "is not the URL of source office"),
    ],
)
def test_address_that_leads_nowhere_is_refused_before_anything_is_sent(
    rules_file: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    """Whatever stands there, one sentence says what to write."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    failed = CliRunner().invoke(app, ["sign", "office", "--rules", str(rules_file), "--to", address])
    assert isinstance(failed.exception, SettingsError)
    assert said in str(failed.exception)
    assert "https://bridge.example.com" in str(failed.exception)
