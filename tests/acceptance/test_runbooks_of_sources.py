"""The runbooks of providers that are refused or not heard, played from the trouble to its end."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.deliveries import SHOP_SECRET, shop
from support.on_call import ANNA, on_call
from support.programs import badge_bridge, free_port, program, until
from support.runbooks import Runbook

pytestmark = pytest.mark.slow

FREEPHONE = "+498001234567"
NEW_TOKEN = "fedcba9876543210fedcba9876543210"
SHOP = """
  shop:
    provider: generic
    verify: {scheme: standard-webhooks}
    secrets: ["${SHOP_SECRET}"]
    event: {type: "'order.' + body.status"}

badges:
"""


def test_provider_that_is_answered_401_is_let_in_again(tmp_path: Path) -> None:
    """A wrong URL, a secret that is replaced without a refusal, and a clock that is wrong: of each the log says which it
    is, and what the runbook says mends it.
    """
    book = Runbook("The provider is answered 401")
    (refused,) = book.log
    with on_call(tmp_path) as bridge:
        right, wrong = f"{bridge.url}/hooks/reception", f"{bridge.url}/calls/hooks/reception"
        bridge.takes_up((right, wrong))
        assert bridge.missed("one") == 401
        assert bridge.is_alarming("BadgeBridgeRefusing")
        reason = refused.partition(": ")[2].replace("http://127.0.0.1:8080/hooks/reception", wrong)
        bridge.running.find(re.escape(f"refused 401 for reception: {reason}"))
        assert f"1 delivery was refused in the last hour, and no event has come since: {reason}" in bridge.page()

        book.says("A changed `public_url` is taken up within seconds")
        bridge.takes_up((wrong, right))
        assert bridge.missed("one") == 200
        printed = bridge.follows(book, "badge-bridge sign reception --send")
        assert printed.startswith("200 from")

        both = re.findall(
            r"secrets: (\[.*?\])", book.says('`secrets: ["${TWILIO_AUTH_TOKEN}", "${TWILIO_NEW_TOKEN}"]`')
        )
        bridge.edit(('["${TWILIO_AUTH_TOKEN}"]', both[0]), ("\nbadges:\n", SHOP))
        assert bridge.running.stop() == 0
        bridge.start(TWILIO_NEW_TOKEN=NEW_TOKEN, SHOP_SECRET=SHOP_SECRET)
        assert bridge.missed("two") == 200
        assert bridge.missed("three", token=NEW_TOKEN) == 200
        book.says("take the old one out of the file, which needs no restart")
        bridge.takes_up((both[0], '["${TWILIO_NEW_TOKEN}"]'))
        assert (bridge.missed("four"), bridge.missed("four", token=NEW_TOKEN)) == (401, 200)

        late = book.says("the signature is right, but 4212 s old")
        assert bridge.deliver(shop("late", {"status": "paid"}, at=time.time() - 4212)) == 401
        bridge.hears(f"refused 401 for shop: {late}")
        assert bridge.is_alarming("BadgeBridgeClockOff")
    assert book.untyped == {"timedatectl", "timedatectl set-ntp true"}, "they ask systemd, which is not here"


def test_source_from_which_nothing_arrives_is_heard_again(
    tmp_path: Path, optional_program: Callable[[str], str]
) -> None:
    """The portal was given an address at which nobody listens; the runbook's request tells that apart from a wrong name
    and from a bridge that is there.
    """
    optional_program("curl")
    book = Runbook("Nothing arrives from a source")
    with on_call(tmp_path) as bridge:
        elsewhere = f"http://127.0.0.1:{free_port()}"
        bridge.takes_up((f"{bridge.url}/hooks/portal", f"{elsewhere}/hooks/portal"))
        bridge.install()
        assert bridge.missed("one", "+49301234567") == 200
        bridge.ask("POST", "calls", phone_number=ANNA)
        until(lambda: bridge.ask("GET", "events")["events"][-1]["error"], what="an event that nobody takes")
        assert book.says("Nothing has come yet; enter its URL at the provider") in bridge.page()

        bridge.follows(book, "badge-bridge events list --source portal")
        assert f"from outside {elsewhere}/hooks/portal" in bridge.follows(book, "badge-bridge doctor")

        request = book.command("curl -i")
        said = [
            bridge.typed(request.replace("https://bridge.example.com", address).replace("reception", name))
            for address, name in ((bridge.url, "reception"), (bridge.url, "receptoin"), (elsewhere, "reception"))
        ]
        for answer, one in zip(("HTTP/1.1 401 ", "HTTP/1.1 404 ", "curl: (7) "), said, strict=True):
            assert answer in one, said

        book.says("when `public_url` is mended, the bridge has the portal send to the new address within seconds")
        bridge.takes_up((f"{elsewhere}/hooks/portal", f"{bridge.url}/hooks/portal"))
        tail = shlex.split(book.command("badge-bridge events tail"))[1:]
        with program(badge_bridge(*tail), env=bridge.environ, cwd=bridge.folder) as running:
            running.find("what came of it")
            bridge.ask("POST", "calls", phone_number=ANNA)
            running.find(rf"portal:\S+ +call.missed +{re.escape(ANNA)} +done")
    assert book.untyped == set()
