"""The list of providers: complete, described, and light to import."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import badge_bridge.sources
from badge_bridge.sources import OPTIONS, PROVIDERS, Source, SourceOptions
from badge_bridge.sources.countries import check_country


def test_every_source_class_is_listed() -> None:
    """A provider's module that was forgotten in the list would not be there for a rules file."""
    folder = Path(badge_bridge.sources.__file__).parent
    modules = [path for path in folder.glob("*.py") if re.search(r"\n    options_type: .* = ", path.read_text())]
    listed = {cls.__module__.rpartition(".")[2] for cls in PROVIDERS.values()}
    assert {path.stem for path in modules} == listed, "see _MODULES in functions/badge_bridge/sources/__init__.py"
    assert len(PROVIDERS) == len(OPTIONS) == len(modules)


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_provider_names_its_options(provider: str) -> None:
    """The name in the rules file, the class of the source and the class of its options belong together."""
    assert issubclass(PROVIDERS[provider], Source)
    assert not inspect.isabstract(PROVIDERS[provider])
    assert issubclass(OPTIONS[provider], SourceOptions)
    assert OPTIONS[provider].model_json_schema()["properties"]["provider"]["const"] == provider


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_every_option_is_described(provider: str) -> None:
    """An editor shows the description of each option, and shows secrets as passwords."""
    schema = OPTIONS[provider].model_json_schema()
    objects = [schema, *schema.get("$defs", {}).values()]
    for described in objects:
        for name, option in described["properties"].items():
            assert "const" in option or option.get("description"), f"{described['title']}.{name}"
    assert schema["properties"]["secrets"]["items"]["format"] == "password"


def test_unknown_provider_is_not_there() -> None:
    """A name that is no provider is a missing key, like in any mapping."""
    assert "carrier-pigeon" not in PROVIDERS
    with pytest.raises(KeyError):
        OPTIONS["carrier-pigeon"]


@pytest.mark.parametrize(
    ("country", "said"),
    [
        ("DE", ""),
        ("GB", ""),
        ("AC", ""),
        ("UK", "did you mean 'GB'?"),
        ("uk", "did you mean 'GB'?"),
        ("EL", "did you mean 'GR'?"),
        ("de", "did you mean 'DE'?"),
        (" DE", "did you mean 'DE'?"),
        ("XX", "write the two capital letters"),
        ("Germany", "write the two capital letters"),
        ("", "write the two capital letters"),
    ],
)
def test_country_is_one_whose_numbers_can_be_read(country: str, said: str) -> None:
    """A country that is none would leave every national number unread, silently."""
    if not said:
        assert check_country(country) == country
        return
    with pytest.raises(ValueError, match=re.escape(said)):
        check_country(country)


def test_import_is_light() -> None:
    """Listing and importing providers loads neither phone number tables, nor cryptography, nor the engine of CEL."""
    program = (
        "import sys, badge_bridge.sources as sources\n"
        "assert 'badge_bridge.sources.twilio' not in sys.modules\n"
        "list(sources.PROVIDERS.values())\n"
        "heavy = {'phonenumbers', 'cryptography', 'cel_expr_python', 'badge_bridge.cel', 'httpx', 'google.protobuf'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
