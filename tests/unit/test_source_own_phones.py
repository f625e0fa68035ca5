"""Own phones: a call that a softphone or a SIP phone of ours makes is told from one that a trunk brings."""

from __future__ import annotations

import pytest

from badge_bridge.sources.own_phones import is_own_phone


@pytest.mark.parametrize(
    "caller",
    [
        "client:anna",
        "Client:+4930123456",
        "sip:anna@acme.sip.twilio.com",
        "sips:anna@acme.sip.twilio.com:5061;transport=tls",
        '"Anna" <sip:anna@acme.sip.twilio.com>',
        "sip:102@acme.sip.twilio.com",
        "sip:anna123456789012@phone.plivo.com",
        "sip:anna;x=1@acme.sip.twilio.com",
    ],
)
def test_name_or_short_extension_is_a_phone_of_ours(caller: str) -> None:
    """So is every client: those are softphones, whatever they are called."""
    assert is_own_phone(caller)


@pytest.mark.parametrize(
    "caller",
    [
        "",
        "+4930123456",
        "030123456",
        "anonymous",
        "anna",
        "sip:+4930123456@carrier.example.com",
        "sip:%2B4930123456@carrier.example.com",
        "sip:4930123456@203.0.113.5:5060",
        "sip:030123456@carrier.example.com",
        "sip:+4930123456;phone-context=example.com@carrier.example.com",
        '"Anna Berger" <sip:+4930123456@carrier.example.com>',
        "sip:anonymous@anonymous.invalid",
        "sip:Restricted@carrier.example.com",
        "sip:203.0.113.5",
        "tel:+4930123456",
    ],
)
def test_number_is_a_customer(caller: str) -> None:
    """A trunk of a carrier brings customers as SIP calls too, those who hide their number among them."""
    assert not is_own_phone(caller)
