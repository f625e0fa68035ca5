"""What the Terraform in `infra/` must keep to, whatever else is changed in it. A policy returns what breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from badge_bridge.serverless import processing, sweep
from badge_bridge.settings import SETTINGS
from support.terraform import Block, Terraform

__all__ = ["KEPT", "Infra", "Policy"]


class Infra(NamedTuple):
    """The module that makes resources, and the one beside it that decides."""

    root: Terraform
    plan: Terraform


Policy = Callable[[Infra], Iterator[str]]

_OF_SERVE = {"ADMIN", "ADMIN_URL", "METRICS_TOKEN"}
"""Settings of a listener that no function has."""

_EVERYBODY = ("allUsers", "allAuthenticatedUsers")
_SUBSCRIPTION = "google_pubsub_subscription"


def only_receive_and_install_are_public(infra: Infra) -> Iterator[str]:
    for place, text in infra.root.texts():
        if text in _EVERYBODY and place != "resource.google_cloud_run_service_iam_member.public.member":
            yield f"{place} is {text}"
    public = infra.root.resources()["google_cloud_run_service_iam_member.public"]
    if public["for_each"] != "${toset(module.plan.public)}":
        yield f"public for {public['for_each']}"
    if sorted(infra.plan.locals["public"]) != ["install", "receive"]:
        yield f"public are {infra.plan.locals['public']}"


def process_and_sweep_are_called_from_inside_by_their_own_identity(infra: Infra) -> Iterator[str]:
    if sorted(infra.plan.locals["internal"]) != ["process", "sweep"]:
        yield f"internal are {infra.plan.locals['internal']}"
    if infra.plan.locals["invoker"] != {"process": "push", "sweep": "scheduler"}:
        yield f"invokers are {infra.plan.locals['invoker']}"
    service = _function(infra)["service_config"][0]
    if service["ingress_settings"] != "${each.value.ingress}":
        yield f"ingress is {service['ingress_settings']}"
    own = infra.root.resources()["google_cloud_run_service_iam_member.own"]
    if own["for_each"] != "${module.plan.invokers}" or own["member"] != "${local.members[each.value]}":
        yield f"{own['member']} for {own['for_each']}"


def calls_of_the_platform_bring_a_token_for_the_address_they_call(infra: Infra) -> Iterator[str]:
    calls = [
        (address, push["push_endpoint"], push)
        for address, body in infra.root.resources(_SUBSCRIPTION).items()
        for push in body.get("push_config", [])
    ]
    calls += [
        (address, target["uri"], target)
        for address, body in infra.root.resources("google_cloud_scheduler_job").items()
        for target in body["http_target"]
    ]
    if len(calls) != 2:
        yield f"{len(calls)} calls"
    for address, called, body in calls:
        token = body.get("oidc_token", [{}])[0]
        if token.get("audience") != called:
            yield f"{address} calls {called} with a token for {token.get('audience')}"


def every_subscription_retries_keeps_and_never_expires(infra: Infra) -> Iterator[str]:
    for address, body in infra.root.resources(_SUBSCRIPTION).items():
        retry = body.get("retry_policy", [{}])[0]
        if not {"minimum_backoff", "maximum_backoff"} <= retry.keys():
            yield f"{address} has no retry policy"
        if body.get("expiration_policy") != [{"ttl": ""}]:
            yield f"{address} expires"
        if body.get("message_retention_duration") != "604800s":
            yield f"{address} keeps messages for {body.get('message_retention_duration')}"
    if infra.plan.locals["backoff"] != {"minimum": 10, "maximum": 600}:
        yield f"backoff is {infra.plan.locals['backoff']}"


def every_subscription_has_dead_letters_somewhere(infra: Infra) -> Iterator[str]:
    dead = set(_dead_topics(infra))
    for address, body in infra.root.resources(_SUBSCRIPTION).items():
        if not body.get("dead_letter_policy") and _topic(body) not in dead:
            yield f"{address} has no dead-letter policy"


def every_dead_topic_has_a_subscription_that_does_not_push(infra: Infra) -> Iterator[str]:
    pulled = {_topic(body) for body in infra.root.resources(_SUBSCRIPTION).values() if not body.get("push_config")}
    dead = _dead_topics(infra)
    if not dead:
        yield "there is no dead topic"
    for topic in dead:
        if topic not in pulled:
            yield f"{topic} has no subscription"


def pubsub_may_move_dead_letters(infra: Infra) -> Iterator[str]:
    agent = "${local.pubsub_agent}"
    publishes = {
        _address(body["topic"])
        for body in infra.root.resources("google_pubsub_topic_iam_member").values()
        if (body["member"], body["role"]) == (agent, "roles/pubsub.publisher")
    }
    acknowledges = {
        _address(body["subscription"])
        for body in infra.root.resources("google_pubsub_subscription_iam_member").values()
        if (body["member"], body["role"]) == (agent, "roles/pubsub.subscriber")
    }
    for topic in _dead_topics(infra):
        if topic not in publishes:
            yield f"Pub/Sub may not publish to {topic}"
    for address, body in infra.root.resources(_SUBSCRIPTION).items():
        if body.get("dead_letter_policy") and address not in acknowledges:
            yield f"Pub/Sub may not acknowledge on {address}"


def deadlines_are_above_timeouts_and_those_above_the_longest_request(infra: Infra) -> Iterator[str]:
    plan = infra.plan.locals
    for deadline, function, longest in (
        ("ack_deadline", "process", processing.LONGEST),
        ("attempt_deadline", "sweep", sweep.LONGEST),
    ):
        timeout = plan["defaults"][function]["timeout"]
        if not longest < timeout < plan[deadline] <= 600:
            yield f"{function} takes up to {longest:g} s, its timeout is {timeout} s, {deadline} is {plan[deadline]} s"
    push = infra.root.resources()[f"{_SUBSCRIPTION}.push"]
    if push["ack_deadline_seconds"] != "${module.plan.push.ack_deadline}":
        yield f"the ack deadline is {push['ack_deadline_seconds']}"
    job = infra.root.resources()["google_cloud_scheduler_job.sweep"]
    if job["attempt_deadline"] != "${module.plan.sweeping.attempt_deadline}":
        yield f"the attempt deadline is {job['attempt_deadline']}"


def one_instance_of_process_is_the_default(infra: Infra) -> Iterator[str]:
    if (most := infra.plan.locals["defaults"]["process"]["max_instances"]) != 1:
        yield f"process has {most} instances"
    if "process_instances" not in infra.plan.named("check"):
        yield "nobody is told what several instances of process mean"


def no_value_of_a_secret_is_in_the_state(infra: Infra) -> Iterator[str]:
    for address in (*infra.root.resources(), *infra.root.data()):
        if address.startswith(("google_secret_manager_secret_version", "google_service_account_key", "random_")):
            yield f"{address} has a secret in it"
    for place, _ in infra.root.texts():
        if place.endswith((".secret_data", ".sensitive_labels", ".secret_data_wo")):
            yield f"{place} is a secret"


def every_secret_is_read_by_whom_the_plan_names(infra: Infra) -> Iterator[str]:
    granted = {
        (_address(body["secret_id"]), body["role"])
        for body in infra.root.resources("google_secret_manager_secret_iam_member").values()
        if body["for_each"] == "${module.plan.secret_readers}"
        and body["member"] == "${local.members[each.value.reader]}"
    }
    for secret in infra.root.resources("google_secret_manager_secret"):
        for role in ("roles/secretmanager.secretAccessor", "roles/secretmanager.viewer"):
            if (secret, role) not in granted:
                yield f"nobody has {role} on {secret}"


def every_function_has_an_identity_of_its_own(infra: Infra) -> Iterator[str]:
    function = _function(infra)
    if (account := function["service_config"][0].get("service_account_email")) != (
        "${google_service_account.this[each.key].email}"
    ):
        yield f"functions run as {account}"
    if (account := function["build_config"][0].get("service_account")) != '${google_service_account.this["build"].id}':
        yield f"functions are built as {account}"
    for place, text in infra.root.texts():
        if "-compute@developer" in text or "@appspot" in text:
            yield f"{place} is a default account"


def rights_are_given_on_one_thing_and_only_added(infra: Infra) -> Iterator[str]:
    for address, body in infra.root.resources().items():
        kind = address.partition(".")[0]
        if "_iam_" not in kind:
            continue
        if not kind.endswith("_iam_member"):
            yield f"{address} takes away what others have given"
        role = body.get("role", "")
        if re.search(r"owner|editor|admin", role, re.IGNORECASE):
            yield f"{address} gives {role}"
        if kind == "google_project_iam_member" and not body.get("condition") and role != "roles/logging.logWriter":
            yield f"{address} gives {role} on everything in the project"


def buckets_are_closed_and_keep_versions(infra: Infra) -> Iterator[str]:
    for address, body in infra.root.resources("google_storage_bucket").items():
        if body.get("public_access_prevention") != "enforced" or body.get("uniform_bucket_level_access") is not True:
            yield f"{address} can be opened"
        if body.get("versioning") != [{"enabled": True}]:
            yield f"{address} keeps no versions"


def new_code_is_deployed_and_new_rules_are_not(infra: Infra) -> Iterator[str]:
    objects = infra.root.resources("google_storage_bucket_object")
    if "filesha256(var.source_zip)" not in objects["google_storage_bucket_object.source"]["name"]:
        yield "the zip has one name for ever"
    if infra.plan.locals["rules_object"] != '${var.uploads_rules ? "rules.yaml" : null}':
        yield "the name of the rules file changes, and with it every function's environment"
    if "filemd5(var.rules_file)" not in objects["google_storage_bucket_object.rules"].get("source_md5hash", ""):
        yield "a changed rules file is not uploaded"


def the_database_is_protected(infra: Infra) -> Iterator[str]:
    database = infra.root.resources()["google_firestore_database.this"]
    for name in ("delete_protection_state", "deletion_policy", "point_in_time_recovery_enablement"):
        if not re.match(
            r"\$\{var\.protect_data \? \"(DELETE_PROTECTION_ENABLED|ABANDON|POINT_IN_TIME_RECOVERY_ENABLED)\"",
            database.get(name, ""),
        ):
            yield f"{name} is {database.get(name)}"
    if infra.root.named("variable")["protect_data"]["default"] is not True:
        yield "data is not protected by default"


def settings_and_environment_are_the_same(infra: Infra) -> Iterator[str]:
    settings = {setting.name for setting in SETTINGS} - _OF_SERVE | {"GOOGLE_CLOUD_PROJECT"}
    given = set(re.findall(r"\b([A-Z][A-Z_]{3,})\s*[=:]", str(infra.plan.locals["environment"])))
    reserved = infra.plan.named("variable")["environment"]["validation"]
    kept = set(re.findall(r"\"([A-Z_]+)\"", str(reserved)))
    for names, what in ((given, "the environment"), (kept, "what users may not set")):
        if missing := settings - names:
            yield f"{what} has no {sorted(missing)}"
        if unknown := names - settings:
            yield f"{what} has {sorted(unknown)}, which are no settings"


def every_alert_says_what_to_do(infra: Infra) -> Iterator[str]:
    for address, body in infra.root.resources("google_monitoring_alert_policy").items():
        documentation = body.get("documentation", [{}])[0]
        if not documentation.get("subject") or not re.search(r"\n\s*1\. ", documentation.get("content", "")):
            yield f"{address} says nothing"
        if body.get("notification_channels") != "${local.channels}":
            yield f"{address} tells nobody"
        # Cloud Monitoring docs, "AlertPolicy.AlertStrategy": required with conditions that match a log, and only there.
        matches_log = any("condition_matched_log" in condition for condition in body["conditions"])
        limited = any("notification_rate_limit" in strategy for strategy in body.get("alert_strategy", []))
        if matches_log != limited:
            yield f"{address} has a rate limit: {limited}; looks into the log: {matches_log}"


def whatever_users_set_is_described(infra: Infra) -> Iterator[str]:
    for module in infra:
        for kind in ("variable", "output"):
            for name, body in module.named(kind).items():
                if len(body.get("description", "")) < 10:
                    yield f"{kind} {name} has no description"
                if kind == "variable" and "type" not in body:
                    yield f"{kind} {name} has no type"
    passed = infra.root.named("module")["plan"]
    if missing := infra.plan.named("variable").keys() - passed.keys():
        yield f"the plan is not told {sorted(missing)}"


def _function(infra: Infra) -> Block:
    return infra.root.resources()["google_cloudfunctions2_function.this"]


def _topic(subscription: Block) -> str:
    return _address(subscription["topic"])


def _address(reference: str) -> str:
    """`google_pubsub_topic.dead` of `${google_pubsub_topic.dead.id}`."""
    found = re.match(r"\$\{(\w+\.\w+)", reference)
    return found[1] if found else reference


def _dead_topics(infra: Infra) -> list[str]:
    return [
        _address(policy["dead_letter_topic"])
        for body in infra.root.resources(_SUBSCRIPTION).values()
        for policy in body.get("dead_letter_policy", [])
    ]


KEPT: dict[str, Policy] = {
    policy.__name__: policy
    for policy in (
        only_receive_and_install_are_public,
        process_and_sweep_are_called_from_inside_by_their_own_identity,
        calls_of_the_platform_bring_a_token_for_the_address_they_call,
        every_subscription_retries_keeps_and_never_expires,
        every_subscription_has_dead_letters_somewhere,
        every_dead_topic_has_a_subscription_that_does_not_push,
        pubsub_may_move_dead_letters,
        deadlines_are_above_timeouts_and_those_above_the_longest_request,
        one_instance_of_process_is_the_default,
        no_value_of_a_secret_is_in_the_state,
        every_secret_is_read_by_whom_the_plan_names,
        every_function_has_an_identity_of_its_own,
        rights_are_given_on_one_thing_and_only_added,
        buckets_are_closed_and_keep_versions,
        new_code_is_deployed_and_new_rules_are_not,
        the_database_is_protected,
        settings_and_environment_are_the_same,
        every_alert_says_what_to_do,
        whatever_users_set_is_described,
    )
}
