"""The provider that the README shows how to add: it is added as it says there, and takes a call to the card."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from badge_bridge import sources
from badge_bridge.errors import DeliveryRefused, Unauthenticated
from badge_bridge.rulesfile.schema import json_schema
from badge_bridge.signing import samples
from badge_bridge.sources import OPTIONS, build_all
from badge_bridge.sources.base import SampleCall
from support.company import RULES, number_of, open_company
from support.portals import run_virtually, virtual_clock

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SECRET = "acme-secret-0123456789"
WITH_ACME = RULES.replace("sources:\n", 'sources:\n  s: {provider: acme, secrets: ["${SECRET}"]}\n', 1)


@pytest.fixture(autouse=True)
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's module stands among the providers, and its line in the list of them."""
    section = README.partition("### Adding a provider\n")[2].partition("\n## ")[0]
    module = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    line = re.search(r'`"(\w+)": "((\w+):\w+)"`', section)
    assert module
    assert line
    (tmp_path / f"{line[3]}.py").write_text(module[1], "utf-8")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    monkeypatch.setitem(sources._MODULES, line[1], line[2])
    monkeypatch.delitem(sys.modules, f"{sources.__name__}.{line[3]}", raising=False)
    monkeypatch.delattr(sources, line[3], raising=False)


def test_module_is_as_the_lint_of_this_project_wants_it(tmp_path: Path) -> None:
    """Whoever pastes it has no findings to mend."""
    module = re.search(r"```python\n(.*?)```", README.partition("### Adding a provider\n")[2], re.DOTALL)
    assert module
    place = "functions/badge_bridge/sources/acme.py"
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", place, "-"]
        done = subprocess.run(ruff, input=module[1], text=True, capture_output=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "acme.py").write_text(module[1])
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(tmp_path / "acme.py")]
    done = subprocess.run(mypy, text=True, capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_missed_call_of_a_provider_that_was_added_gets_a_badge() -> None:
    """One module and one line: a signed delivery is accepted and judged, one that was changed is refused."""

    async def story() -> None:
        async with open_company(customers=1, rules=WITH_ACME, environ={"SECRET": SECRET}) as company:
            now = virtual_clock()
            call = SampleCall(id="call1", outcome="missed", at=now - 25, now=now, caller=number_of(1))
            (delivery,) = samples(build_all(company.bridge.rules.sources), "s", call)
            source = company.bridge.pipeline.source("s", delivery.method, delivery.path)
            assert (await company.bridge.pipeline.accept(source, delivery)).status == 204
            with pytest.raises(Unauthenticated):
                await company.bridge.pipeline.accept(source, replace(delivery, body=delivery.body + b" "))
            (event,) = await company.ended()
            assert (event.event.type, event.event.provider, event.state) == ("call.missed", "acme", "done")
            assert list(company.activities().values()) == [1]

    run_virtually(story())


def test_provider_that_was_added_is_known_everywhere() -> None:
    """Editors complete its options, and what it cannot read is refused in the bridge's own words."""
    assert "AcmeOptions" in json_schema(OPTIONS)["$defs"]
    source = sources.build("s", OPTIONS["acme"].model_validate({"provider": "acme", "secrets": ["old", SECRET]}))
    (delivery,) = source.sample(SampleCall(id="call1", outcome="answered", at=1.0, now=2.0))
    assert source.read(delivery)[0].event.type == "call.answered"
    unknown = replace(delivery, body=delivery.body.replace(b"yes", b"?"))
    assert source.read(unknown)[0].event.type == "call.unknown"
    for body in (b"", b"[]", b"{}", b'{"id": []}', b'{"id": "1", "from": {}}'):
        with pytest.raises((DeliveryRefused, ValidationError)):
            source.read(replace(delivery, body=body))
