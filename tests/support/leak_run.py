"""A whole installation in which everything is planted: its rules file, its environment, and what is sent to it.

Where it may come out, `leak_places` lists.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx

from badge_bridge.portal.oauth import new_key
from badge_bridge.rulesfile import parse
from badge_bridge.sandbox.seed import CLIENT_ID
from badge_bridge.sources import OPTIONS, Source, build
from badge_bridge.sources.base import Delivery, SampleCall, SourceOptions
from support.every_source import OPTIONS_OF, WHSEC
from support.leak_places import CONDITIONS, FORM, NAME, Request
from support.parrot import MOODS, Parrot, parrot
from support.planted import NUMBERS, NUMBERS_IN_A_TEXT, Planted
from support.programs import Program, badge_bridge, program

__all__ = ["Installation", "Shown", "installation"]


@dataclass(frozen=True)
class Shown:
    """What came out at one place; `numbers_too` where not even a phone number may."""

    place: str
    text: str
    numbers_too: bool = True


GENERIC: Mapping[str, Mapping[str, Any]] = {
    "pbx": {"verify": {"scheme": "bearer"}},
    "basic": {"verify": {"scheme": "basic"}},
    "signed": {"verify": {"scheme": "hmac", "header": "X-Signature"}},
    "timed": {"verify": {"scheme": "hmac-timestamped", "header": "X-Signature"}},
    "shop": {"verify": {"scheme": "standard-webhooks"}},
    "form": {"verify": {"scheme": "token", "field": "key"}, "format": "form"},
}
"""Sources of the provider `generic`, one for each scheme."""

EVENT = {"type": "body.type", "id": "body.id", "caller": "body.phone"}


@dataclass
class Installation:
    """A sandbox portal and a parrot for each mood, with the rules file and the environment of a bridge to them."""

    folder: Path
    portal: str
    parrots: Mapping[str, Parrot]
    planted: Planted
    rules: str
    environ: dict[str, str]
    sources: Mapping[str, Source[Any]]
    shown: list[Shown] = field(default_factory=list)

    def show(self, place: str, text: str, *, numbers_too: bool = True) -> None:
        self.shown.append(Shown(place, text, numbers_too))

    def leaks(self) -> list[tuple[str, list[str], str]]:
        """Each place that shows what it must not, what it shows, and the text around it."""
        return [
            (one.place, found, line)
            for one in self.shown
            if self.planted.shown(one.text, numbers_too=one.numbers_too)
            for line in one.text.splitlines()
            if (found := self.planted.shown(line, numbers_too=one.numbers_too))
        ]

    def request(self, url: str, place: str, request: Request) -> int:
        """Send it, take notice of what it was made of, and keep the whole answer; its status."""
        method, path, headers, body = request
        for part in (path, *headers.values(), body.decode("utf-8", "replace")):
            self.planted.note(part)
        answer = httpx.request(
            method,
            url + path,
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            content=body,
            trust_env=False,
            timeout=30,
        )
        self.show(place, f"{answer.status_code} {answer.headers}\n{answer.text}")
        return answer.status_code

    def deliver(self, url: str, source: str, delivery: Delivery, place: str) -> int:
        query = f"?{delivery.query}" if delivery.query else ""
        path = f"/hooks/{source}{delivery.path}{query}"
        status = self.request(url, place, (delivery.method, path, dict(delivery.headers), delivery.body))
        if status < 300:  # somebody who does not know the secret could not have made it
            self.planted.used |= {f"secret of {source}"}
        return status

    def event(self, type_: str, number: str) -> Request:
        """An event that the source `pbx` takes, with a number in some spelling."""
        token = self.planted.secrets["secret of pbx"]
        told = {"type": type_, "id": f"{type_}-{number}", "phone": NUMBERS[number], "name": NAME, "note": NAME}
        return (
            "POST",
            f"/hooks/pbx?phone={quote(NAME, safe='')}",
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "X-Caller": NUMBERS[number]},
            json.dumps(told).encode(),
        )

    def let_in(self, url: str) -> None:
        """Install both applications: the sandbox's, and the parrot's, whose tokens are refused after that."""
        planted, secrets = self.planted, self.planted.secrets
        told = {"client_secret": secrets["client secret"], "application_token": planted.secret("application token")}
        applications = [{**one, **told} for one in self._sandbox("GET", "state")["applications"]]
        self._sandbox("POST", "seed", {"applications": applications})
        assert self._sandbox("POST", "install", {"url": f"{url}/install"})["status"] == 200
        # So that it is renewed, with the application's secret.
        self._sandbox("POST", "faults", {"method": "crm.activity.badge.get", "fault": "expired_token"})
        form = {
            "event": "ONAPPINSTALL",
            "auth[domain]": self.parrots["lets-in"].url.removeprefix("http://"),
            "auth[member_id]": "a223c6b9410f85df78e9377d6c4f7213",
            **{
                f"auth[{name}]": planted.secret(f"{name} of the parrot")
                for name in ("access_token", "refresh_token", "application_token")
            },
        }
        body = urlencode(form).encode()
        assert self.request(url, "installation", ("POST", "/install", {"Content-Type": FORM}, body)) == 200

    def overhear(self) -> None:
        """Take notice of what the portals were told: the credentials, and whom they were asked for."""
        state = self._sandbox("GET", "state")
        for number, one in enumerate([*state["tokens"], *state["grants"]]):
            if one["client_id"] == CLIENT_ID and not str(next(iter(one.values()))).startswith("sandbox-"):
                for name in ("access_token", "refresh_token"):
                    if name in one:
                        self.planted.secret(f"{name} {number} of the sandbox", one[name])
                        self.planted.note(one[name])
        # Its log keeps no credentials; what it accepted was sent with them.
        if any(one["status"] == 200 for one in self._sandbox("GET", "requests?method=oauth/token")["requests"]):
            self.planted.used.add("client secret")
        if any(one["status"] == 200 for one in self._sandbox("GET", "events")["events"]):
            self.planted.used.add("application token")
        for bird in self.parrots.values():
            for said in bird.heard:
                self.planted.note(said)

    def _sandbox(self, method: str, control: str, order: object = None) -> Any:
        answer = httpx.request(method, f"{self.portal}/_sandbox/{control}", json=order, trust_env=False, timeout=30)
        return answer.raise_for_status().json()

    def come_back(self, url: str) -> int:
        """Open the link of `authorize`, with a code that the parrot refuses and repeats."""
        done = self.run("authorize", "parrot-app")
        state = parse_qs(urlsplit(done.stdout.strip()).query)["state"][0]
        query = {
            "code": self.planted.secret("code of a link"),
            "state": state,
            "domain": self.parrots["lets-in"].url.removeprefix("http://"),
        }
        return self.request(url, "link", ("GET", f"/install?{urlencode(query)}", {}, b""))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside a `serve`."""
        return subprocess.run(
            badge_bridge(*arguments),
            cwd=self.folder,
            env={**os.environ, **self.environ, "COLUMNS": "300"},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    @contextmanager
    def serve(self, **environ: str) -> Iterator[tuple[Program, str]]:
        (self.folder / "rules.yaml").write_text(self.rules, "utf-8")
        command = badge_bridge("serve", "--port", "0")
        with program(command, env={**self.environ, **environ}, cwd=self.folder) as running:
            yield running, running.find(r"listening on (http://127\.0\.0\.1:\d+)")[1]

    def calls(self) -> Iterator[tuple[str, Delivery]]:
        """Genuine deliveries of every source, with the source's name."""
        now = time.time()
        numbers = list(NUMBERS.values())
        for index, (name, source) in enumerate(self.sources.items()):
            call = SampleCall(
                id=f"call{index}",
                outcome="missed",
                at=now - 25,
                now=now,
                caller=f"+4930{numbers[0][-9:]}",
                body=_content(name, index, self.planted.secrets[f"secret of {name}"]),
            )
            for delivery in source.sample(call):
                yield name, delivery


def _content(name: str, index: int, secret: str) -> bytes:
    """What a sender of its own bodies writes."""
    told = {"type": "call.missed", "id": f"id{index}", "phone": NUMBERS["with a plus"], "name": NAME}
    if GENERIC.get(name, {}).get("format") == "form":
        return urlencode({**told, "key": secret}).encode()
    if name == "producer":
        return json.dumps({"specversion": "1.0", "source": "/x", **told, "data": told}).encode()
    return json.dumps(told).encode()


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Everything planted and every portal running; the bridge is still to be started."""
    planted = Planted()
    environ = {"ENCRYPTION_KEY": planted.secret("encryption key", new_key())}

    def named(variable: str, name: str, value: str = "") -> str:
        """A new secret in the environment, as the rules file names it."""
        environ[variable] = planted.secret(name, value)
        return f"${{{variable}}}"

    entries = _sources(named)
    with ExitStack() as stack:
        sandbox = stack.enter_context(program(badge_bridge("sandbox", "--port", "0")))
        portal = sandbox.find(r"sandbox portal\s+(http://\S+)\n")[1]
        birds = {mood: stack.enter_context(parrot(mood, NUMBERS_IN_A_TEXT)) for mood in MOODS}
        portals: dict[str, Any] = {
            "main": _application(portal, CLIENT_ID, named("CLIENT_SECRET", "client secret")),
            "parrot-app": _application(
                birds["lets-in"].url, "local.parrot", named("PARROT_SECRET", "client secret of the parrot")
            ),
            "closed-hook": {"webhook": _webhook(named, "http://127.0.0.1:1", "CLOSED", planted)},
        }
        rules: list[dict[str, Any]] = [
            {
                "name": f"condition {number}",
                "on": "odd.condition",
                "portal": "main",
                "badge": "missed",
                "when": condition,
            }
            for number, condition in enumerate(CONDITIONS)
        ]
        rules += [
            {
                "name": "missed",
                "on": ["call.missed"],
                "portal": "main",
                "badge": "missed",
                "attach": {"title": "Missed call from {caller}"},
                "clear": {"on": ["call.answered"]},
            },
            {
                "name": "owner",
                "on": "odd.owner",
                "portal": "main",
                "badge": "missed",
                "attach": {"owner": {"deal": "event.data.name"}},
                "clear": {"on": ["odd.one"], "same": "event.data.name"},
            },
            {"name": "closed", "on": "mood.closed", "portal": "closed-hook", "badge": "missed"},
            {"name": "app", "on": "mood.lets-in", "portal": "parrot-app", "badge": "missed", "attach": {}},
        ]
        for mood, bird in birds.items():
            hook, token = f"{mood}-hook", f"{mood}-token"
            big = mood.upper().replace("-", "_")
            portals[hook] = {"webhook": _webhook(named, bird.url, big, planted)}
            access = named(f"TOKEN_{big}", f"access token of {mood}")
            portals[token] = {"url": bird.url, "oauth": {"access_token": access}}
            rules += [
                {"name": hook, "on": f"mood.{mood}", "portal": hook, "badge": "missed"},
                {"name": token, "on": f"mood.{mood}", "portal": token, "badge": "missed", "attach": {}},
            ]
        badges = {"missed": {"title": "Call", "value": "Missed", "type": "failure"}}
        text = json.dumps({"portals": portals, "sources": entries, "badges": badges, "rules": rules}, indent=1)
        loaded = parse(text, providers=OPTIONS, environ=environ)
        sources = {name: build(name, cast("SourceOptions", options)) for name, options in loaded.sources.items()}
        made = Installation(folder, portal, birds, planted, text, environ, sources)
        (folder / "rules.yaml").write_text(text, "utf-8")
        yield made


def _application(url: str, client_id: str, secret: str) -> dict[str, Any]:
    return {
        "url": url,
        "oauth": {"client_id": client_id, "client_secret": secret, "server": url},
        "install_url": "http://127.0.0.1:9/install",
    }


def _webhook(named: Callable[..., str], url: str, name: str, planted: Planted) -> str:
    secret = planted.secret(f"webhook {name.lower()}")
    return named(f"HOOK_{name}", f"webhook url {name.lower()}", f"{url}/rest/1/{secret}/")


def _sources(named: Callable[..., str]) -> dict[str, Any]:
    """Every provider that a sample can be made of, and every scheme, as the rules file has them."""
    given: dict[str, Mapping[str, Any]] = {
        provider: {"provider": provider, **options} for provider, options in OPTIONS_OF.items()
    }
    given |= {name: {"provider": "generic", **options, "event": EVENT} for name, options in GENERIC.items()}
    given["producer"] = {"provider": "cloudevents", "verify": {"scheme": "bearer"}, "event": {"caller": "body.phone"}}
    entries = {}
    for name, options in given.items():
        value = options["secrets"][0] if "secrets" in options else _SECRETS.get(name, "")
        written = named(f"SECRET_{name.upper()}", f"secret of {name}", value)
        entries[name] = {**options, "secrets": [written]}
    return entries


_SECRETS = {"basic": "pl4nted-user:pl4nted-p4ssword", "shop": WHSEC}
