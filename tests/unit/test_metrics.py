"""How what is counted is written down for Prometheus, and that the README tells the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from badge_bridge import __version__
from badge_bridge.admin import METRICS, Admin, create_admin_app
from badge_bridge.console.gate import Gate
from badge_bridge.console.origin import Names
from badge_bridge.errors import StoreUnavailable
from badge_bridge.meters import Meters
from badge_bridge.metrics import GAUGES, PREFIX, Metrics
from badge_bridge.probes import Probes
from badge_bridge.settings import ADMIN
from badge_bridge.store.backlog import Backlog
from badge_bridge.store.memory import MemoryStore
from badge_bridge.store.protocol import Store
from support.stores import NOW, item

README = Path(__file__).parents[2] / "README.md"


def samples(text: str) -> Mapping[str, float]:
    """The values by what Prometheus calls them, without the prefix: `events{state="dead"}`, labels by name."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            name = sample.name.removeprefix(f"{PREFIX}_")
            found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found


async def page(store: object, meters: Meters | None = None, lanes: tuple[str, ...] = (), accept: str = "") -> str:
    metrics = Metrics(meters or Meters(), cast("Store", store), lambda: "f00d", lambda: NOW + 90, lambda: lanes)
    return (await metrics.page(accept))[0].decode()


async def opened() -> MemoryStore:
    store = MemoryStore()
    await store.open()
    return store


async def test_counters_begin_at_zero_when_their_names_are_known() -> None:
    """The first dead letter is an increase, which a series that begins at 1 would not be."""
    meters = Meters()
    meters.expect(sources=["pbx"], portals=["main"])
    found = samples(await page(await opened(), meters))
    for known in (
        'attempts_total{result="dead",source="pbx"}',
        'events_received_total{result="accepted",source="pbx"}',
        'deliveries_refused_total{reason="unauthenticated",source="pbx"}',
        'portal_requests_total{portal="main",result="ok"}',
        "events_taken_total",
    ):
        assert found[known] == 0


async def test_page_tells_what_waits_when_the_store_can_count() -> None:
    """How much waits and for what, since when, what is dead, and until when a portal is paused."""
    store = await opened()
    await store.accept([item("s:1"), item("s:2", received_at=NOW + 60)])
    await store.pause("main", until=NOW + 300, reason="away")
    found = samples(await page(store, lanes=("main", "main/crm.activity.badge.add")))
    assert {
        name: value for name, value in found.items() if name.startswith(("events{", "events_w", "oldest", "lane"))
    } == {
        'events{state="waiting"}': 2,
        'events{state="working"}': 0,
        'events{state="dead"}': 0,
        'events_waiting{lane=""}': 2,
        "oldest_waiting_seconds": 90,
        'lane_paused_until_timestamp_seconds{lane="main"}': NOW + 300,
    }
    assert found[f'build_info{{rules_hash="f00d",version="{__version__}"}}'] == found["store_up"] == 1
    assert found["process_start_time_seconds"] > 0


class Away(MemoryStore):
    async def backlog(self) -> Backlog:
        raise StoreUnavailable("the disk is full")


class Full(MemoryStore):
    async def ping(self) -> None:
        raise StoreUnavailable("the disk is full")


async def test_page_is_told_when_the_store_is_away() -> None:
    """The moment in which metrics matter most is one in which the store fails."""
    store = Away()
    await store.open()
    meters = Meters()
    meters.refused.add("pbx", "store_unavailable")
    found = samples(await page(store, meters))
    assert found["store_up"] == 0
    assert found['deliveries_refused_total{reason="store_unavailable",source="pbx"}'] == 1
    assert not [name for name in found if name.startswith("events{")]


async def test_store_is_told_as_down_with_what_waits_when_it_can_only_be_read() -> None:
    """A disk that takes no more writes is a store that is down, although what is on it can be counted."""
    store = Full()
    await store.open()
    await store.accept([item("s:1")])
    found = samples(await page(store))
    assert found["store_up"] == 0
    assert found['events{state="waiting"}'] == 1


async def test_page_is_openmetrics_when_that_is_asked_for() -> None:
    """Prometheus asks for OpenMetrics first, which ends with a mark; without a wish it is the older text."""
    assert (await page(await opened(), accept="application/openmetrics-text; version=1.0.0")).endswith("# EOF\n")
    assert "# EOF" not in await page(await opened())


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer a-token-of-20-letterz"}, 401),
        ({"Authorization": "a-token-of-20-letters"}, 401),
        ({"Authorization": b"Bearer \xff"}, 401),
        ({"Authorization": "Bearer a-token-of-20-letters"}, 200),
    ],
)
async def test_metrics_are_told_to_who_sends_the_token_when_there_is_one(
    sent: dict[str, str | bytes], status: int
) -> None:
    """With METRICS_TOKEN, nobody else learns how much arrives; without it the listener is the limit."""
    headers = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in sent.items()]
    assert (await ask(await opened(), "a-token-of-20-letters", headers)).status_code == status
    assert (await ask(await opened(), "", headers)).status_code == 200


async def test_metrics_are_told_in_any_name_to_who_has_the_token() -> None:
    """No page in a browser has it, whatever name it makes lead here; without one, only names of the listener count."""
    other, token = (b"Host", b"metrics.example"), (b"Authorization", b"Bearer a-token-of-20-letters")
    assert (await ask(await opened(), "a-token-of-20-letters", [other, token])).status_code == 200
    assert (await ask(await opened(), "a-token-of-20-letters", [other])).status_code == 401
    assert (await ask(await opened(), "", [other, token])).status_code == 421


async def test_metrics_are_read_when_they_are_asked_for() -> None:
    """As any page that only tells something, by GET."""
    answer = await ask(await opened(), "", [], method="POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (await ask(await opened(), "", [])).headers["content-type"].startswith("text/plain; version=")


async def ask(
    store: MemoryStore, token: str, headers: list[tuple[bytes, bytes]], *, method: str = "GET"
) -> httpx.Response:
    class Parts:
        worker = cast("Any", None)

        def __init__(self) -> None:
            self.store = store

    metrics = Metrics(Meters(), store, lambda: "f00d", lambda: NOW)
    names = Names("127.0.0.1")
    gate = Gate(store, cast("Any", None), names=names, port=1)
    app = create_admin_app(Admin("http://127.0.0.1:1", gate, Probes(Parts()), metrics, names=names, token=token))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:1") as client:
        return await client.request(method, METRICS, headers=headers)


def rows(heading: str) -> dict[str, tuple[str, ...]]:
    """The first two columns of the README's table of metrics: name and labels."""
    section = README.read_text("utf-8").partition(heading)[2].partition("\n## ")[0]
    found = re.findall(r"^\| `badge_bridge_(\w+)` \| (.*?) \|", section, re.MULTILINE)
    return {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in found}


def test_table_of_metrics_is_that_of_the_code() -> None:
    """Each metric is in the README with its labels, and no other."""
    meters = Meters()
    assert rows("## Metrics and health") == {
        **{f"{one.name}_total": one.labels for one in meters.counters()},
        **{one.name: one.labels for one in meters.histograms()},
        **{one.name: one.labels for one in GAUGES},
        "build_info": ("version", "rules_hash"),
    }


def told_in(key: str) -> Any:
    """What the one block of the README's section that begins with this key has there."""
    section = README.read_text("utf-8").partition("## Metrics and health")[2].partition("\n## ")[0]
    (text,) = re.findall(rf"```yml\n({key}:.*?)```", section, re.DOTALL)
    return yaml.safe_load(text)[key]


def test_alert_asks_for_the_job_that_reads_the_metrics() -> None:
    """A `serve` that does not run tells nothing: only Prometheus knows, by the name that it has for the listener."""
    (job,) = told_in("scrape_configs")
    (down,) = [one["expr"] for one in told_in("groups")[0]["rules"] if one["alert"] == "BadgeBridgeDown"]
    series = f'up{{job="{job["job_name"]}"}}'
    assert down == f"{series} == 0 or absent({series})"
    assert job["static_configs"] == [{"targets": [f"{ADMIN.host}:{ADMIN.port}"]}]


async def test_series_that_alerts_watch_for_an_increase_begin_at_zero() -> None:
    """The first refusal is an increase, which needs the series to be there before it."""
    meters = Meters()
    meters.expect(sources=["pbx"], portals=["main"])
    found = samples(await page(await opened(), meters))
    watched = [
        one
        for alert in told_in("groups")[0]["rules"]
        for one in re.findall(r"(?:rate|increase)\(badge_bridge_(\w+)(?:\{reason=\"(\w+)\"[^}]*\})?\[", alert["expr"])
    ]
    assert len(watched) >= 3
    for name, reason in watched:
        begun = [series for series in found if series.startswith(f"{name}{{") and f'reason="{reason}"' in series]
        assert begun if reason else [series for series in found if series.startswith(name)], (name, reason)


def test_alerts_ask_for_metrics_that_there_are() -> None:
    """Each expression of the README's alerts names metrics of the code, with their labels."""
    meters = Meters()
    series = {f"{one.name}_total": one.labels for one in meters.counters()}
    series |= {
        f"{one.name}_{part}": (*one.labels, "le") if part == "bucket" else one.labels
        for one in meters.histograms()
        for part in ("bucket", "sum", "count")
    }
    series |= {one.name: one.labels for one in GAUGES}
    alerts = told_in("groups")[0]["rules"]
    asked = [one for alert in alerts for one in re.findall(r"badge_bridge_(\w+)(?:\{([^}]*)\})?", alert["expr"])]
    assert len(asked) >= len(alerts) >= 5
    for name, labels in asked:
        assert set(re.findall(r"(\w+)(?:!?=~?)", labels)) <= set(series[name]), name
