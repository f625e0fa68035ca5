"""Rules in Cloud Storage and secrets in Secret Manager, as a function and the command line read them."""

from __future__ import annotations

import gc
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from badge_bridge.observability import logs
from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import RulesFile
from badge_bridge.serverless.opening import LOOK, RETRY, Opening, read_rules
from badge_bridge.settings import Settings
from support.commands import Run, commands
from support.deliveries import RULES, environ, twilio
from support.google import FakeGoogle
from support.programs import functions_framework, health, sandbox, send, until

URI = "gs://acme-rules/rules.yaml"
WEBHOOK = "https://acme.bitrix24.com/rest/1/abcdefabcdefabcd/"
OLDEST, OLD, NEW = (f"{digit * 8}89abcdef0123456789abcdef" for digit in "123")


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """What a function does to its process is for a process of its own."""
    yield
    logs.restore()
    gc.unfreeze()


@pytest.fixture
def google() -> FakeGoogle:
    """Rules with Twilio's tokens in Secret Manager, of which the first is disabled."""
    google = FakeGoogle()
    google.objects["acme-rules", "rules.yaml"] = RULES.replace('"${TWILIO_TOKEN}"', '"sm://twilio"').encode()
    google.add("twilio", OLDEST, f"{OLD}\n", NEW)
    google.disable("twilio", 1)
    return google


@pytest.fixture
def emulators(google: FakeGoogle) -> Iterator[dict[str, str]]:
    with google.served() as address:
        yield {
            "RULES": URI,
            "GOOGLE_CLOUD_PROJECT": "acme",
            "STORAGE_EMULATOR_HOST": f"http://{address}",
            "SECRET_MANAGER_EMULATOR_HOST": address,
        }


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, emulators: dict[str, str]
) -> Iterator[Run]:
    with commands(monkeypatch, capsys, tmp_path, {**environ(WEBHOOK), **emulators}) as run:
        yield run


@pytest.mark.slow
def test_a_function_takes_what_is_signed_with_an_enabled_version(
    google: FakeGoogle, emulators: dict[str, str], tmp_path: Path
) -> None:
    """Either of two is good while a secret is replaced; a disabled one is as wrong as any other, and none is logged."""
    with (
        sandbox() as (_, webhook),
        functions_framework(tmp_path, webhook, env=emulators) as (function, url),
    ):
        answers = [send(url, twilio(f"CA-{token[0]}", token=token)).status_code for token in (NEW, OLD, OLDEST)]
        function.stop()
        log = function.drain()
    assert answers == [200, 200, 401]
    assert not [token for token in (NEW, OLD, OLDEST) if token in log]
    assert not [request for request in google.asked if "authorization" in request.headers]


async def test_a_functions_log_holds_no_secret_of_google(
    emulators: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever logs one by mistake logs stars, also of the older version."""
    for name, value in {**environ(WEBHOOK), **emulators, "LOG_FORMAT": "json"}.items():
        monkeypatch.setenv(name, value)
    await read_rules(Settings.from_environ(os.environ))
    logging.getLogger("badge_bridge.test").error("signed with %s or %s", NEW, OLD)
    logged = capsys.readouterr().err
    assert "signed with" in logged
    assert NEW not in logged
    assert OLD not in logged


@pytest.mark.slow
def test_a_function_asks_again_when_secret_manager_was_away(
    google: FakeGoogle, emulators: dict[str, str], tmp_path: Path
) -> None:
    """It answers 503 and says why, and the same process starts with the first request after that."""
    google.down = True
    with functions_framework(tmp_path, WEBHOOK, env=emulators, status=503) as (function, url):
        function.find(f"the bridge cannot start: UNAVAILABLE: {URI} cannot be read now")
        google.down = False
        google.forbidden.add("access")
        assert health(url) == 503
        function.find(f"{URI}:8:15: this process may not use secret twilio of project acme")
        google.forbidden.clear()
        until(lambda: health(url) == 200, what="a function that has its secrets")
        assert send(url, twilio("CA-1", token=NEW)).status_code == 200


def test_check_reads_rules_and_secrets_from_google(run: Run, google: FakeGoogle) -> None:
    """A file that is fine, named by the setting or by hand; and one whose secret is not there, at its place."""
    code, out, _ = run("check")
    assert code == 0
    assert f"{URI}: fine: " in out
    assert run("check", URI)[:2] == (0, out)
    del google.secrets["twilio"]
    code, out, _ = run("check")
    assert code == 1
    assert out.startswith(f"{URI}:8:15: there is no secret twilio of project acme; create it, or correct the name")


def test_check_fetches_no_secret_when_told_not_to(run: Run, google: FakeGoogle) -> None:
    """The rules are all that is read."""
    google.forbidden |= {"list", "access"}
    assert run("check", "--no-secrets")[0] == 0
    assert len(google.asked) == 1


def test_a_command_without_credentials_says_how_to_get_some(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One message and an exit code, as for every trouble."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    code, _, err = run("check")
    assert code == 1
    assert err.startswith(f"badge-bridge: UNAUTHENTICATED: {URI} cannot be read now: no credentials for Google Cloud")
    assert "gcloud auth application-default login" in err


def test_commands_sign_with_the_newest_version(
    run: Run, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What `sign` makes is good where the old version is not any more; --rules takes an object too."""
    monkeypatch.delenv("RULES")
    code, out, _ = run("sign", "reception", "--rules", URI, "--json")
    assert code == 0
    (tmp_path / "delivery.json").write_text(out)
    google.disable("twilio", 2)
    assert run("explain", str(tmp_path / "delivery.json"), "--rules", URI)[0] == 0
    google.add("twilio", OLDEST)
    google.disable("twilio", 3)
    assert run("explain", str(tmp_path / "delivery.json"), "--rules", URI)[0] == 1


def test_authorize_uses_a_key_of_secret_manager(run: Run, google: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is made with the key itself, and not with its reference."""
    google.objects["acme-rules", "rules.yaml"] = (
        RULES.replace(
            'webhook: "${WEBHOOK}"',
            "url: https://acme.bitrix24.com\n    oauth: {client_id: local.1, client_secret: sm://client}",
        )
        .replace("  portal:\n", "  portal:\n    public_url: https://bridge.example.com/hooks/portal\n")
        .encode()
    )
    google.add("client", "client-secret-1")
    google.add("key", new_key())
    monkeypatch.setenv("ENCRYPTION_KEY", "sm://key")
    code, out, err = run("authorize")
    assert (code, err) == (0, "")
    assert out.startswith("https://acme.bitrix24.com/oauth/authorize/?")


def test_doctor_tells_secrets_from_mistakes_in_the_file(run: Run, google: FakeGoogle) -> None:
    """A file that can be read is well, whoever keeps its secrets from us; one that cannot is not."""
    google.forbidden.add("list")
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])["bridge"]}
    assert (checks["rules file"]["status"], checks["secrets"]["status"]) == ("ok", "failed")
    assert f"{URI}:8:15: this process may not use secret twilio" in checks["secrets"]["found"]
    assert checks["secrets"]["mend"] == "Mend what is named."
    google.forbidden.clear()
    google.damaged = True
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])["bridge"]}
    assert (checks["rules file"]["status"], checks["secrets"]["status"]) == ("ok", "failed")
    assert "try again" in checks["secrets"]["mend"]
    google.down = True
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])["bridge"]}
    assert (checks["rules file"]["status"], checks["secrets"]["status"]) == ("failed", "skipped")
    assert "try again" in checks["rules file"]["mend"]


class Function:
    """A process of a function with rules in Cloud Storage, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.opening = Opening(self._open, monotonic=lambda: self.now)

    async def _open(self, stack: AsyncExitStack, settings: Settings) -> RulesFile:
        return (await read_rules(settings))[1]

    async def ask(self) -> tuple[int, int]:
        """How many rules and secrets it works by; nothing where it does not work."""

        async def handle(request: Request, rules: RulesFile) -> Response:
            return PlainTextResponse(json.dumps([len(rules.rules), len(rules.secrets)]))

        answer = await self.opening.answer(
            Request({"type": "http", "method": "POST", "path": "/", "headers": []}), handle
        )
        rules, secrets = json.loads(bytes(answer.body)) if answer.status_code == 200 else (0, 0)
        return rules, secrets


@pytest.fixture
def function(emulators: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Function]:
    for name, value in {**environ(WEBHOOK), **emulators, "LOG_FORMAT": "json"}.items():
        monkeypatch.setenv(name, value)
    return Function


async def test_function_follows_rules_in_storage_and_reads_their_secrets_anew(
    google: FakeGoogle, function: Callable[[], Function]
) -> None:
    """Within a minute after the object has changed; a secret's new version comes with it, and not before."""
    running = function()
    rules, secrets = await running.ask()
    google.add("twilio", "4444444489abcdef0123456789abcdef")
    running.now += LOOK
    assert await running.ask() == (rules, secrets)
    google.objects["acme-rules", "rules.yaml"] += b"# another secret\n"
    running.now += LOOK
    assert await running.ask() == (rules, secrets + 1)


async def test_function_starts_with_the_rules_of_before_when_the_newest_have_mistakes(
    google: FakeGoogle, function: Callable[[], Function], capsys: pytest.CaptureFixture[str]
) -> None:
    """A new process works by the version that the others have kept, and tells of the newest as often as they do."""
    running = function()
    rules, secrets = await running.ask()
    whole = google.objects["acme-rules", "rules.yaml"]
    google.upload("acme-rules", "rules.yaml", whole.replace(b"\nrules:", b"\nrulez:"))
    new = function()
    for _ in range(3):
        assert await new.ask() == (rules, secrets)
        new.now += LOOK
    (told,) = _refusals(capsys)
    assert told["message"].startswith(f"the rules cannot be used, those of {URI}#1 are taken: {URI}:")
    running.now += LOOK
    new.now += RETRY
    assert await running.ask() == await new.ask() == (rules, secrets)
    assert [told["message"].partition(":")[0] for told in _refusals(capsys)] == [
        "the rules have changed and cannot be used, those of before stay"
    ] * 2

    google.upload("acme-rules", "rules.yaml", whole + b"# mended\n")
    google.add("twilio", "4444444489abcdef0123456789abcdef")
    new.now += LOOK
    assert await new.ask() == (rules, secrets + 1)


async def test_function_does_not_start_when_no_version_of_its_rules_is_any_good(
    google: FakeGoogle, function: Callable[[], Function], capsys: pytest.CaptureFixture[str]
) -> None:
    """It tells the mistakes of the newest; rules of before whose secrets are gone are none."""
    good = google.objects["acme-rules", "rules.yaml"]
    google.objects["acme-rules", "rules.yaml"] = b"[broken"
    new = function()
    assert await new.ask() == (0, 0)
    assert not _refusals(capsys)
    google.objects["acme-rules", "rules.yaml"] = good
    google.upload("acme-rules", "rules.yaml", b"[broken")
    google.forbidden.add("access")
    assert await new.ask() == (0, 0)
    assert not _refusals(capsys)
    google.forbidden.clear()
    assert await new.ask() != (0, 0)


def _refusals(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line.get("kind") == "rules_refused"]
