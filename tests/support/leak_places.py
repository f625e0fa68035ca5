"""Where a secret or a phone number may come out. Each place is one line in one of these tables: the next one, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from support.planted import NUMBERS, NUMBERS_IN_A_TEXT, Planted

__all__ = [
    "COMMANDS",
    "CONDITIONS",
    "CONSOLE",
    "FORM",
    "LIST",
    "NAME",
    "PAGES",
    "STARTS",
    "TRY",
    "Request",
    "odd_requests",
]

NAME = f"Anna Berger ({NUMBERS_IN_A_TEXT})"
FORM = "application/x-www-form-urlencoded"

Request = tuple[str, str, Mapping[str, str], bytes]
"""Method, path with its query, headers, body."""

CONDITIONS = (
    "int(event.data.name) > 1",
    "event.data[event.data.name] == 1",
    "event.data.name > 5",
    "timestamp(event.data.phone) > event.time",
    "event.data.name.matches(event.data.name)",
    "duration(string(event.data.phone)) > duration('1s')",
)
"""Conditions that fail on what they are given, and could say on what."""


def odd_requests(planted: Planted) -> Mapping[str, Request]:
    """Requests that are refused, by what is wrong with them."""
    token = planted.secrets["secret of pbx"]
    ours = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    known = planted.secret("query token")
    cookie = planted.secret("cookie")
    numbers = quote(NUMBERS_IN_A_TEXT, safe="")
    plus = NUMBERS["with a plus"]
    twice = json.dumps(NAME)
    install = {
        f"auth[{name}]": planted.secret(f"{name} of a form")
        for name in ("access_token", "refresh_token", "application_token")
    }
    app = {"event": "ONAPPINSTALL", "auth[domain]": f"{known}.example/{plus}", "auth[member_id]": NAME, **install}

    def form(**changes: str) -> bytes:
        return urlencode({**app, **changes}).encode()

    def pbx(body: bytes | str, query: str = "", **headers: str) -> Request:
        return "POST", f"/hooks/pbx{query}", {**ours, **headers}, body.encode() if isinstance(body, str) else body

    def event(**changes: Any) -> str:
        return json.dumps({"type": "odd.one", "id": "1", "phone": plus, "name": NAME, **changes})

    return {
        "wrong token": pbx(event(), Authorization=f"Bearer {planted.secret('wrong token')}"),
        "wrong scheme": pbx(event(), Authorization=f"Digest {token}"),
        "token in the query": pbx(event(), f"?token={known}&phone={numbers}", Authorization="Bearer x"),
        "cookie": pbx(event(), Cookie=f"session={cookie}; phone={plus}", Authorization="Bearer x"),
        "no JSON": pbx(f'{{"phone": "{NAME}", {token}'),
        "other encoding": pbx(f'{{"phone": "{NAME}"}}'.encode("utf-16")),
        "key twice": pbx(f"{{{twice}: 1, {twice}: 2}}"),
        "token as key twice": pbx(f'{{"{token}": 1, "{token}": 2}}'),
        "no object": pbx(twice),
        "odd type": pbx(event(type=NAME)),
        "odd id": pbx(event(id={NAME: token})),
        "odd phone": pbx(event(phone={NAME: token})),
        "long phone": pbx(event(phone=plus * 200)),
        "no id": pbx(json.dumps({"phone": plus, "name": NAME, "type": "odd.one"})),
        "media type": pbx(event(), **{"Content-Type": f"text/{known}; name={plus}"}),
        "charset": pbx(event(), **{"Content-Type": f"application/json; charset={plus}-{known}"}),
        "compressed": pbx(event(), **{"Content-Encoding": f"{plus}-{known}"}),
        "length": pbx(event(name=NAME * 20_000)),
        "other method": ("DELETE", f"/hooks/pbx?token={known}", ours, b""),
        "unknown source": ("POST", f"/hooks/{known}?phone={numbers}", ours, event().encode()),
        "number for a source": ("POST", f"/hooks/{numbers}", ours, event().encode()),
        "unknown page": ("GET", f"/{known}/{numbers}?auth={known}", {"Cookie": f"session={cookie}"}, b""),
        "path below a source": ("POST", f"/hooks/pbx/{numbers}/{known}", ours, event().encode()),
        "user agent": pbx(event(), Authorization="x", **{"User-Agent": f"{plus} {known}", "Referer": f"/{known}"}),
        "trace": pbx(event(), Authorization="x", traceparent=f"00-{plus}-{known}-01", **{"X-Request-Id": plus}),
        "form field twice": (
            "POST",
            "/hooks/form",
            {"Content-Type": FORM},
            f"key={known}&key={planted.secrets['secret of form']}&phone={numbers}".encode(),
        ),
        "form without an id": (
            "POST",
            "/hooks/form",
            {"Content-Type": FORM},
            urlencode({"key": planted.secrets["secret of form"], "phone": plus, "name": NAME}).encode(),
        ),
        "install payload": ("POST", "/install", {"Content-Type": FORM}, form()),
        "install payload of our application": (
            "POST",
            "/install",
            {"Content-Type": FORM},
            form(**{"auth[domain]": "127.0.0.1"}),
        ),
        "update payload": ("POST", "/install", {"Content-Type": FORM}, form(event="ONAPPUPDATE")),
        "test payload": (
            "POST",
            "/install",
            {"Content-Type": FORM},
            form(event="ONAPPTEST", **{"data[QUERY][badge_bridge]": known}),
        ),
        "odd install payload": ("POST", "/install", {"Content-Type": FORM}, form(event=NAME)),
        "install payload as JSON": ("POST", "/install", {"Content-Type": f"text/{known}"}, json.dumps(app).encode()),
        "link that nobody made": ("GET", f"/install?code={known}&state={known}&domain={known}.{numbers}", {}, b""),
        "install by another method": ("PUT", f"/install?code={known}", {}, form()),
    }


PAGES = (
    "/",
    "/healthz",
    "/health",
    "/metrics",
    "/console",
    "/console/api/v1/events.json",
    "/console/login",
    "/livez",
    "/readyz",
    "/install",
)
"""Pages that anybody may ask for, whether or not they are there."""

LIST = "/console/api/v1/events.json"
TRY = "/console/api/v1/try.json"
CONSOLE = (
    "/console",
    "/console/api/v1/now.json",
    LIST,
    f"{LIST}?state=dead&limit=1000",
    "/console/try",
    TRY,
    "/console/badges?check=1",
    "/console/api/v1/badges.json?check=1",
    "/console/events",
    "/console/events?phone=1&source=x",
    "/console/redrive",
    "/console/api/v1/redrive.json",
)
"""Pages of a session."""

COMMANDS: Mapping[str, tuple[list[str], bool]] = {
    "check": (["check", "rules.yaml"], True),
    "check as JSON": (["check", "rules.yaml", "--json"], True),
    "doctor": (["doctor"], True),
    "doctor as JSON": (["doctor", "--json"], True),
    "sync": (["sync"], True),
    "sync that applies": (["sync", "--apply", "--json"], True),
    "fetch": (["fetch"], True),
    "fetch as JSON": (["fetch", "--json"], True),
    "events list": (["events", "list"], False),
    "events list as JSON": (["events", "list", "--json"], False),
    "events show": (["events", "show", "{key}"], False),
    "events show as JSON": (["events", "show", "{key}", "--json"], False),
    "explain an event": (["explain", "{key}", "--every-rule"], False),
    "explain an event as JSON": (["explain", "{key}", "--every-rule", "--json"], False),
    "explain a delivery": (["explain", "delivery.http"], False),
    "explain a delivery as JSON": (["explain", "delivery.http", "--json"], False),
    "explain a delivery that is refused": (["explain", "refused.http"], False),
    "explain what is no delivery": (["explain", "broken.http"], False),
    "clear by number": (["clear", "--phone", NUMBERS["with a plus"]], False),
    "clear what is not there": (["clear", "no:such"], True),
    "authorize": (["authorize", "parrot-app"], True),
    "console": (["console"], True),
    "authorize nobody": (["authorize", "sends-away-hook"], True),
    "sign for nobody": (["sign", "nobody"], True),
    "schema": (["schema"], True),
}
"""Commands, and whether not even a phone number may come out: the operator who asks for an event reads its numbers."""

Broken = Callable[[str, dict[str, str]], tuple[str, dict[str, str]]]

STARTS: Mapping[str, Broken] = {
    "webhook written out": lambda rules, env: (rules.replace("${HOOK_REFUSES}", env["HOOK_REFUSES"]), env),
    "secret written out": lambda rules, env: (rules.replace("${SECRET_PBX}", env["SECRET_PBX"]), env),
    "client secret written out": lambda rules, env: (rules.replace("${CLIENT_SECRET}", env["CLIENT_SECRET"]), env),
    "unset names": lambda rules, env: (rules, {**env, "SECRET_PBX": "", "CLIENT_SECRET": ""}),
    "secret of another form": lambda rules, env: (rules, {**env, "SECRET_SHOP": env["SECRET_PBX"]}),
    "webhook that is none": lambda rules, env: (rules, {**env, "HOOK_REFUSES": env["SECRET_PBX"]}),
    "webhook with a query": lambda rules, env: (
        rules,
        {**env, "HOOK_REFUSES": f"{env['HOOK_REFUSES']}?auth={env['SECRET_PBX']}"},
    ),
    "webhook over http": lambda rules, env: (
        rules,
        {**env, "HOOK_REFUSES": f"http://acme.example/rest/1/{env['SECRET_PBX']}/"},
    ),
    "secret with a line end": lambda rules, env: (rules, {**env, "SECRET_PBX": f"{env['SECRET_PBX']}\n\x1b[1m"}),
    "encryption key that is none": lambda rules, env: (rules, {**env, "ENCRYPTION_KEY": env["SECRET_PBX"]}),
    "encryption key cut": lambda rules, env: (rules, {**env, "ENCRYPTION_KEY": env["ENCRYPTION_KEY"][:-1]}),
    "encryption key missing": lambda rules, env: (rules, {**env, "ENCRYPTION_KEY": ""}),
    "secret as a name": lambda rules, env: (rules.replace("${SECRET_PBX}", "${" + env["SECRET_PBX"] + "}"), env),
    "secret as a reference": lambda rules, env: (rules, {**env, "SECRET_PBX": f"sm://{env['SECRET_PBX']}/x/y"}),
    "YAML that ends early": lambda rules, env: (rules.replace("${SECRET_PBX}", env["SECRET_PBX"])[:-3], env),
    "secret as a word": lambda rules, env: (rules, {**env, "LOG_LEVEL": env["SECRET_PBX"]}),
    "secret as a number": lambda rules, env: (rules, {**env, "CONCURRENCY": env["SECRET_PBX"]}),
    "secret as an address": lambda rules, env: (rules, {**env, "INVOKERS": env["SECRET_PBX"], "INVOKER_AUDIENCE": "x"}),
    "store with a password": lambda rules, env: (rules, {**env, "STATE": f"postgres://u:{env['SECRET_PBX']}@db/x"}),
    "store that is a secret": lambda rules, env: (rules, {**env, "STATE": env["SECRET_PBX"]}),
    "proxy with a password": lambda rules, env: (
        rules,
        {**env, "STATE": "x:", "HTTPS_PROXY": f"http://u:{env['SECRET_PBX']}@x"},
    ),
}
"""What keeps a bridge from starting, as changes of the rules file and of the environment."""
