"""Webhook senders: one small module per provider, beside what they share.

    signatures, credentials, public_url, standard_webhooks        shared: who sent it
    bodies, fields, moments, wall_clock, event_types              shared: what is in it
    phone_numbers, countries, judgement, calls, joining           shared: what it means for a call
    twilio, zoom, bitrix24, generic, ...                          providers

A new provider is its module, with a `Source` class that names its options in `options_type`, and one line in
`_MODULES`. A provider's module is imported when it is first asked for: a start with one provider pays for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from badge_bridge.sources.base import Delivery, Reading, Reply, Source, SourceOptions

__all__ = ["OPTIONS", "PROVIDERS", "Delivery", "Reading", "Reply", "Source", "SourceOptions", "build", "build_all"]

_MODULES: Mapping[str, str] = {
    "aircall": "aircall:Aircall",
    "bandwidth": "bandwidth:Bandwidth",
    "bitrix24": "bitrix24:Bitrix24",
    "cloudevents": "cloudevents:CloudEvents",
    "dialpad": "dialpad:Dialpad",
    "didww": "didww:Didww",
    "freeswitch": "freeswitch:FreeSwitch",
    "generic": "generic:Generic",
    "justcall": "justcall:JustCall",
    "mango": "mango:Mango",
    "novofon": "novofon:Novofon",
    "plivo": "plivo:Plivo",
    "quo": "quo:Quo",
    "ringcentral": "ringcentral:RingCentral",
    "signalwire": "signalwire:SignalWire",
    "sinch": "sinch:Sinch",
    "telnyx": "telnyx:Telnyx",
    "twilio": "twilio:Twilio",
    "vonage": "vonage:Vonage",
    "zadarma": "zadarma:Zadarma",
    "zoom": "zoom:Zoom",
}

Value = TypeVar("Value")


class _WhenAsked(Mapping[str, Value]):
    """The providers by name; each is looked up in its module when it is first asked for."""

    def __init__(self, choose: Callable[[Any], Value]) -> None:
        self._choose = choose

    def __getitem__(self, provider: str) -> Value:
        module, _, name = _MODULES[provider].partition(":")
        return self._choose(getattr(import_module(f"{__name__}.{module}"), name))

    def __contains__(self, provider: object) -> bool:
        return provider in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


def _source(found: Any) -> type[Source[Any]]:
    return cast("type[Source[Any]]", found)


def _options(found: Any) -> type[SourceOptions]:
    return cast("type[SourceOptions]", found.options_type)


PROVIDERS: Mapping[str, type[Source[Any]]] = _WhenAsked(_source)
"""The source class of each provider."""

OPTIONS: Mapping[str, type[SourceOptions]] = _WhenAsked(_options)
"""The options of each provider, as the rules file takes them."""


def build(name: str, options: SourceOptions) -> Source[Any]:
    """The source that the rules file calls `name`, ready to take deliveries.

    Raises:
        ValueError: the options cannot be used; `load` has said so before.
    """
    return PROVIDERS[options.provider](name, options)


def build_all(options: Mapping[str, BaseModel]) -> dict[str, Source[Any]]:
    """All sources of a rules file (`RulesFile.sources`)."""
    return {name: build(name, cast("SourceOptions", one)) for name, one in options.items()}
