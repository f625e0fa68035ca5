"""What the alerts, the metrics and the dashboard of `infra/` look at.

That their filters match the lines which the code writes is tested beside it (tests/infra/test_against_code.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from support.infra_policies import Infra, Policy
from support.terraform import Block

__all__ = ["ALERTING", "ALERTS", "resolved"]


class Condition(NamedTuple):
    """What raises an alert: `filter`, above `threshold` for `duration`, or absent for that long, or a line of the log."""

    filter: str
    threshold: float | str | None = None
    duration: str | None = None
    share_of: str | None = None


_RECEIVE, _SWEEP = '${local.answers["receive"]}', '${local.answers["sweep"]}'


def _subscription(name: str, metric: str) -> str:
    return (
        'resource.type = "pubsub_subscription" AND resource.labels.subscription_id = '
        f'"${{google_pubsub_subscription.{name}.name}}" AND metric.type = "pubsub.googleapis.com/subscription/{metric}"'
    )


ALERTS = {
    "dead_letters": [
        Condition(_subscription("push", "dead_letter_message_count"), 0, "0s"),
        Condition(_subscription("dead", "num_undelivered_messages"), 0, "0s"),
    ],
    "backlog": [Condition(_subscription("push", "oldest_unacked_message_age"), 600, "300s")],
    "receive_fails": [
        Condition(f'{_RECEIVE} AND metric.labels.response_code_class = "5xx"', 0.01, "0s", share_of=_RECEIVE)
    ],
    "overloaded": [
        Condition('${local.public_requests} (httpRequest.status=429 OR textPayload:"no available instance")')
    ],
    "refused": [Condition(f'{_RECEIVE} AND metric.labels.response_code = "401"', "${var.refused_per_5_minutes}", "0s")],
    "dead_events": [Condition("${local.our_lines} ${local.counted.dead.filter}")],
    "paused": [Condition("${local.our_lines} ${local.counted.paused.filter} jsonPayload.waited_ms>=900000")],
    "cannot_start": [Condition('${local.our_lines} jsonPayload.kind="start" severity>=CRITICAL')],
    "rules_refused": [Condition('${local.our_lines} jsonPayload.kind="rules_refused"')],
    "sweep_behind": [Condition('${local.our_lines} jsonPayload.kind="sweep" jsonPayload.overdue_s>=600')],
    "sweep_missing": [
        Condition(f'{_SWEEP} AND metric.labels.response_code_class = "2xx"', duration="900s"),
        Condition(f'{_SWEEP} AND metric.labels.response_code_class != "2xx"', 3, "0s"),
    ],
    "sweep_refused": [
        Condition(
            'resource.type="cloud_scheduler_job" resource.labels.job_id="${google_cloud_scheduler_job.sweep.name}" '
            'log_id("cloudscheduler.googleapis.com/executions") '
            'jsonPayload.status=("PERMISSION_DENIED" OR "UNAUTHENTICATED" OR "NOT_FOUND")'
        )
    ],
    "silent": [
        Condition(f'{_RECEIVE} AND metric.labels.response_code_class = "2xx"', duration="${var.silent_hours * 3600}s")
    ],
}

ENABLED = dict.fromkeys(("sweep_missing", "sweep_refused"), "${!var.sweep_paused}")
COUNT = {"silent": "${var.silent_hours == null ? 0 : 1}"}

LOCALS = {
    "our_lines": (
        '${join(" ", ["resource.type="cloud_run_revision"", "resource.labels.location="${var.region}"", '
        '"resource.labels.service_name=(${join(" OR ", [for function in values(module.plan.functions) : '
        '""${function.name}""])})"])}'
    ),
    "public_requests": (
        '${join(" ", ["resource.type="cloud_run_revision"", "resource.labels.location="${var.region}"", '
        '"resource.labels.service_name=(${join(" OR ", [for name in module.plan.public : '
        '""${module.plan.functions[name].name}""])})", "log_id("run.googleapis.com/requests")"])}'
    ),
    "answers": (
        '${{for name, function in module.plan.functions : name => join(" AND ", ["resource.type = '
        '"cloud_run_revision"", "resource.labels.service_name = "${function.name}"", "metric.type = '
        '"run.googleapis.com/request_count""])}}'
    ),
    "channels": "${concat(var.notification_channels, google_monitoring_notification_channel.email[*].id)}",
}
"""What all filters begin with, and whom the alerts tell."""

TILES = {
    "${local.logged.waited}",
    "${local.logged.ended}",
    "${local.logged.dead}",
    "${local.logged.paused}",
    "${local.logged.refused}",
    "request_count",
    "push_request_count",
    "oldest_unacked_message_age",
    "dead_letter_message_count",
    "instance_count",
    "utilizations",
}
"""What runbooks say is on the dashboard."""


def each_alert_looks_at_what_it_is_about(infra: Infra) -> Iterator[str]:
    found = {
        address.partition(".")[2]: body
        for address, body in infra.root.resources("google_monitoring_alert_policy").items()
    }
    for name in sorted(found.keys() | ALERTS.keys()):
        if name not in ALERTS or name not in found:
            yield f"the alert {name} is {'new' if name in found else 'gone'}"
            continue
        body = found[name]
        if (conditions := [_read_condition(one) for one in body["conditions"]]) != ALERTS[name]:
            yield f"{name}: {conditions}"
        if body.get("enabled", True) != ENABLED.get(name, True) or body.get("count") != COUNT.get(name):
            yield f"{name} is switched on by {body.get('enabled')}, and there by {body.get('count')}"
        if body["combiner"] != "OR":
            yield f"{name} wants all conditions at once"
    for name, wanted in LOCALS.items():
        if infra.root.locals.get(name) != wanted:
            yield f"{name} is {infra.root.locals.get(name)}"


def what_lines_are_counted_as_is_made_and_shown(infra: Infra) -> Iterator[str]:
    resources = infra.root.resources()
    counted = resources.get("google_logging_metric.counted", {})
    wanted = {
        "for_each": "${local.counted}",
        "name": "${var.name}-${each.key}",
        "filter": "${local.our_lines} ${each.value.filter}",
        "label_extractors": "${each.value.labels}",
    }
    for name, value in wanted.items():
        if counted.get(name) != value:
            yield f"metrics have the {name} {counted.get(name)}"
    waited = resources.get("google_logging_metric.waited", {})
    if not waited.get("filter", "").startswith("${local.our_lines} "):
        yield "the metric of latency counts lines of others"
    if "for index, tile in local.tiles" not in resources.get("google_monitoring_dashboard.this", {}).get(
        "dashboard_json", ""
    ):
        yield "there is no dashboard with the tiles"
    filters = " ".join(tile["filter"] for tile in infra.root.locals["tiles"])
    for shown in sorted(TILES):
        if shown not in filters:
            yield f"no tile shows {shown}"


def resolved(infra_locals: Block, written: str) -> str:
    """A filter with the filters of the metrics that it refers to; `our_lines`, which every line of ours passes, left out."""

    def filter_of(found: re.Match[str]) -> str:
        return str(infra_locals["counted"][found[1]]["filter"])

    return re.sub(r"\$\{local\.counted\.(\w+)\.filter\}", filter_of, written).replace("${local.our_lines}", "").strip()


def _read_condition(body: Block) -> Condition:
    (kind,) = (name for name in body if name.startswith("condition_"))
    one = body[kind][0]
    if kind == "condition_threshold" and one["comparison"] != "COMPARISON_GT":
        return Condition(f"not above: {one['comparison']}")
    return Condition(
        one["filter"],
        one.get("threshold_value") if kind == "condition_threshold" else None,
        one.get("duration"),
        one.get("denominator_filter"),
    )


ALERTING: dict[str, Policy] = {
    policy.__name__: policy
    for policy in (each_alert_looks_at_what_it_is_about, what_lines_are_counted_as_is_made_and_shown)
}
