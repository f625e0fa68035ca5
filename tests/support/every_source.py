"""One source of each provider, with secrets that a test can sign with, and what may be changed in a delivery of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from badge_bridge.sources import OPTIONS, PROVIDERS, Source, build
from badge_bridge.sources.base import NoSample, SampleCall, SourceOptions

NOW = 1_763_778_605.0

WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()

OPTIONS_OF: Mapping[str, Mapping[str, Any]] = {
    "aircall": {"secrets": ["45XXYYZZa08-0123456789"]},
    "bandwidth": {"secrets": ["hookuser:a long pass:word"]},
    "bitrix24": {"secrets": ["51610fefc120afg4b628cc82d6298cce"], "country": "DE"},
    "dialpad": {"secrets": ["dialpad-shared-secret-0123456789abcdef0123456789"]},
    "didww": {"secrets": ["ps-secret-0123456789"]},
    "freeswitch": {"secrets": ["switch:a long password"]},
    "justcall": {
        "secrets": ["ea39089c40790e9dc7a080ec95e849b8fa0fa5fb"],
        "public_url": "https://b.example.com/hooks/s",
    },
    "mango": {"secrets": ["m0123456789abcdefghijklmnopqrstu:s0123456789abcdefghijklmnopqrstu"]},
    "novofon": {"secrets": ["novofon-secret-0123456789"]},
    "plivo": {"secrets": ["plivo-auth-token-0123456789"], "public_url": "https://b.example.com/hooks/s"},
    "quo": {"secrets": [WHSEC]},
    "ringcentral": {"secrets": ["rc-verification-0123456789"]},
    "signalwire": {"secrets": ["PSK_0123456789abcdef"], "public_url": "https://b.example.com/hooks/s"},
    "sinch": {
        "secrets": ["669E367E-6BBA-48AB-AF15-266871C28135:BeIukql3pTKJ8RGL5zo0DA=="],
        "public_url": "https://b.example.com/hooks/s",
    },
    "twilio": {"secrets": ["0123456789abcdef0123456789abcdef"], "public_url": "https://b.example.com/hooks/s"},
    "vonage": {"secrets": ["vonage-signature-secret-0123456789abcdef"]},
    "zadarma": {"secrets": ["zadarma-secret-0123456789"]},
    "zoom": {"secrets": ["zoom-secret-token-0123456789"]},
}
"""Of every provider that can make a sample: see `WITHOUT_SAMPLES`."""

WITHOUT_SAMPLES: Mapping[str, str] = {
    "cloudevents": "the producer decides what its data are",
    "generic": "the sender decides what its bodies are",
    "telnyx": "only Telnyx has the private key",
}

NEVER_JUDGED = frozenset({"didww"})
"""Their samples are events of their own names and no calls."""


def source_of(provider: str, **options: Any) -> Source[Any]:
    given = OPTIONS[provider].model_validate({"provider": provider, **OPTIONS_OF[provider], **options})
    assert isinstance(given, SourceOptions)
    return build("s", given)


def call(outcome: Any = "missed", *, number: int = 1, now: float = NOW) -> SampleCall:
    return SampleCall(id=f"call{number}", outcome=outcome, at=now - 25, now=now)


def can_sample(provider: str) -> bool:
    try:
        return bool(source_of(provider).sample(call()))
    except NoSample:
        return False


SAMPLED = [provider for provider in PROVIDERS if provider in OPTIONS_OF]
