"""The sandbox from outside: its content, its faults, and the third book, which is what its cards show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import httpx

from chaos.books import Activity
from chaos.calls import Customer

__all__ = ["DOUBTFUL", "LATEST", "RACE", "Sandbox"]

RACE = "race-add"
"""Somebody else registers a badge just before: it strikes only the one that adds it, so that there must be none."""
HOLD = 0.3
"""Seconds for which faults hold an answer."""
HELD = 1.2
"""Seconds for which the answer to an add is held while the bridge is killed."""
LATE: Mapping[str, float] = {"commit-late": 3.0, "http-504": 1.5}
"""What the portal carries out when its client has long left, and how many seconds late: longer than the bridge's worker
rests."""
LATEST = 3.1
"""Seconds after which everything is carried out that was struck: `http-504` holds an answer for as long as it is late."""
DOUBTFUL = (*LATE, "drop-before", "drop-after-commit", "timeout-before", "timeout-after-commit")
"""What leaves nobody knowing whether an add was carried out."""
HOLDING = (*LATE, "slow", "timeout-before", "timeout-after-commit")
BROKEN_OFTEN: Mapping[str, float] = {
    "timeout-before": 0.01,
    "timeout-after-commit": 0.02,
    "drop-before": 0.02,
    "drop-after-commit": 0.03,
    "slow": 0.05,
    "http-500": 0.01,
    "QUERY_LIMIT_EXCEEDED": 0.01,
    "expired_token": 0.02,
}
"""The share of requests that each of them strikes by chance, besides the once that is ordered."""
ADD, UPDATE, LIST = "crm.activity.configurable.add", "crm.activity.configurable.update", "crm.activity.list"
METHODS = (ADD, ADD, ADD, UPDATE, "crm.item.list", "*")
TOKENS = "oauth/token"
ON_TOKENS = ("http-500", "drop-before", "drop-after-commit", "slow", "html")


class Sandbox:
    """A sandbox portal that runs at `url`."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self._random = Random(f"portal {seed}")  # noqa: S311 - repeatable, not secret
        self._struck: Counter[str] = Counter()
        self._read = self._heard = 0
        self.lookups = 0
        self.requests = 0

    def close(self) -> None:
        self._client.close()

    def fill(self, customers: Sequence[Customer]) -> None:
        """Let each customer whom the portal knows be a contact with one open deal."""
        known = [one for one in customers if one.deal is not None]
        content = {
            "activities": [],
            "leads": [],
            "companies": [],
            "contacts": [
                {"id": one.deal, "name": f"Customer {one.number}", "phones": [one.phone]} for one in known
            ],
            "deals": [{"id": one.deal, "title": f"Deal {one.number}", "contact_ids": [one.deal]} for one in known],
            "limits": {"rate": 200.0, "burst": 1000},
        }  # fmt: skip
        self._post("seed", content)

    def install(self, bridge: str) -> bool:
        """Let the portal install the application anew; whether the bridge took it."""
        return self._post("install", {"url": f"{bridge}/install"}).get("status") == 200

    def uninstall(self) -> None:
        """Throw the application out: whatever it has for the portal waits until it is installed again."""
        self._post("uninstall", {})

    def kinds(self) -> list[str]:
        """Every fault that it knows, by name."""
        guide = self._client.get("/_sandbox/").raise_for_status().json()
        return sorted(guide["faults"])

    def order(self, kind: str, *, method: str = "", times: int = 1, after: int = 0, seconds: float = HOLD) -> None:
        """Let a fault strike, at a method that chance chooses unless it is named, `after` so many requests for it."""
        chosen = method or self._random.choice(METHODS)
        if kind == RACE:
            chosen = "crm.activity.badge.add"
            self._post("seed", {"badges": []})
        order = {"method": chosen, "fault": kind, "times": times, "after": after, "seconds": seconds}
        self._post("faults", order)

    def order_doubts(self, number: int) -> None:
        """Let nobody know the end of so many adds."""
        for kind in self._random.sample(DOUBTFUL, number):
            self.order(kind, method=ADD, seconds=LATE.get(kind, HOLD))

    def order_late(self) -> None:
        """Let an add be carried out when its client has long left."""
        kind = self._random.choice(tuple(LATE))
        self.order(kind, method=ADD, seconds=LATE[kind])

    def hold_an_add(self) -> None:
        """Let the next one be carried out, and its answer wait."""
        self.order("timeout-after-commit", method=ADD, seconds=HELD)

    def order_on_tokens(self) -> None:
        """Let something go wrong at the next renewal of the access token."""
        self.order(self._random.choice(ON_TOKENS), method=TOKENS)

    def strike_by_chance(self) -> None:
        self._mix(BROKEN_OFTEN)

    def hold_nothing(self) -> None:
        """From now on nothing is late and no answer waits; `LATEST` seconds later all is done that does by then."""
        kept = [order for order in self._faults()["pending"] if order["fault"] not in HOLDING]
        self.calm()
        for order in kept:
            self._post("faults", order)
        self._mix({kind: share for kind, share in BROKEN_OFTEN.items() if kind not in HOLDING})

    def struck(self) -> Counter[str]:
        """How often each kind of fault has struck."""
        return self._struck + Counter(self._faults()["struck"])

    def pending(self) -> set[str]:
        """What is ordered and has not struck yet."""
        return {order["fault"] for order in self._faults()["pending"]}

    def calm(self) -> None:
        """End all faults."""
        self._struck = self.struck()
        self._client.delete("/_sandbox/faults").raise_for_status()

    def is_quiet(self) -> bool:
        """Whether it was asked nothing since this was asked last."""
        before, self._heard = (
            self._heard,
            self._client.get("/_sandbox/requests", params={"since": self._heard}).raise_for_status().json()["last"],
        )
        return self._heard == before

    def read_log(self) -> None:
        """Count what was asked since the last time."""
        told = self._client.get("/_sandbox/requests", params={"since": self._read}).raise_for_status().json()
        self._read = self.requests = told["last"]
        for request in told["requests"]:
            for command in _commands(request):
                if command["method"] == LIST and "ORIGIN_ID" in str(command.get("params")):
                    self.lookups += 1

    def activities(self) -> list[Activity]:
        state = self._client.get("/_sandbox/state").raise_for_status().json()
        return [
            Activity(
                one["id"],
                (one["owner_type_id"], one["owner_id"]),
                str(one["layout"].get("header", {}).get("title", "")),
                one["completed"],
            )
            for one in state["activities"]
        ]

    def _mix(self, mix: Mapping[str, float]) -> None:
        self._post("faults", {"mix": mix, "seed": self._random.randrange(2**31), "seconds": HOLD})

    def _faults(self) -> dict[str, Any]:
        told: dict[str, Any] = self._client.get("/_sandbox/faults").raise_for_status().json()
        return told

    def _post(self, control: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.post(f"/_sandbox/{control}", json=body).raise_for_status().json()
        return answer


def _commands(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if request["method"] != "batch":
        yield request
    elif isinstance(request["params"], Mapping):
        yield from (request["params"].get("cmd") or {}).values()
