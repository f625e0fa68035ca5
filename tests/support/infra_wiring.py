"""How the resources in `infra/` are wired to what the plan decides: what is left out or crossed over is found here.

Each table is the whole truth of its kind, so that a resource which is dropped, and one that is new, is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from support.infra_policies import Infra, Policy
from support.terraform import Block, Terraform

__all__ = ["WIRING"]

_EGRESS = "${var.static_egress ? 1 : 0}"


class Grant(NamedTuple):
    """A role on one thing for one member, once or for each of what the plan names."""

    on: str
    role: str
    member: str
    for_each: str | None = None
    condition: str | None = None


_ON = ("topic", "subscription", "bucket", "repository", "service", "secret_id", "service_account_id", "project")
_SECRET = "google_secret_manager_secret.this[each.value.secret].secret_id"
_FUNCTION = "google_cloudfunctions2_function.this[each.key].name"

GRANTS = {
    "google_artifact_registry_repository_iam_member.build": Grant(
        "google_artifact_registry_repository.this.name", "roles/artifactregistry.writer", '${local.members["build"]}'
    ),
    "google_storage_bucket_iam_member.build": Grant(
        "google_storage_bucket.source.name", "roles/storage.objectViewer", '${local.members["build"]}'
    ),
    "google_project_iam_member.build_sources": Grant(
        "var.project",
        "roles/storage.objectViewer",
        '${local.members["build"]}',
        condition='resource.name.startsWith("projects/_/buckets/gcf-v2-sources-${local.project_number}-")',
    ),
    "google_project_iam_member.build_logs": Grant(
        "var.project", "roles/logging.logWriter", '${local.members["build"]}'
    ),
    "google_project_iam_member.store": Grant(
        "var.project",
        "${each.value}",
        "${local.members[each.key]}",
        "${module.plan.store_roles}",
        'resource.name == "projects/${var.project}/databases/${google_firestore_database.this.name}"',
    ),
    "google_cloud_run_service_iam_member.public": Grant(
        _FUNCTION, "roles/run.invoker", "allUsers", "${toset(module.plan.public)}"
    ),
    "google_cloud_run_service_iam_member.own": Grant(
        _FUNCTION, "roles/run.invoker", "${local.members[each.value]}", "${module.plan.invokers}"
    ),
    "google_cloud_run_service_iam_member.console": Grant(
        'google_cloudfunctions2_function.this["console"].name',
        "roles/run.invoker",
        "${each.key}",
        "${module.plan.console_members}",
    ),
    "google_service_account_iam_member.push_token": Grant(
        'google_service_account.this["push"].name', "roles/iam.serviceAccountTokenCreator", "${local.pubsub_agent}"
    ),
    "google_pubsub_topic_iam_member.publisher": Grant(
        "google_pubsub_topic.events.name",
        "roles/pubsub.publisher",
        "${local.members[each.key]}",
        "${toset(module.plan.publishes)}",
    ),
    "google_pubsub_topic_iam_member.dead_letters": Grant(
        "google_pubsub_topic.dead.name", "roles/pubsub.publisher", "${local.pubsub_agent}"
    ),
    "google_pubsub_subscription_iam_member.dead_letters": Grant(
        "google_pubsub_subscription.push.name", "roles/pubsub.subscriber", "${local.pubsub_agent}"
    ),
    "google_secret_manager_secret_iam_member.reader": Grant(
        _SECRET,
        "roles/secretmanager.secretAccessor",
        "${local.members[each.value.reader]}",
        "${module.plan.secret_readers}",
    ),
    "google_secret_manager_secret_iam_member.lister": Grant(
        _SECRET, "roles/secretmanager.viewer", "${local.members[each.value.reader]}", "${module.plan.secret_readers}"
    ),
    "google_storage_bucket_iam_member.rules": Grant(
        "google_storage_bucket.rules.name",
        "roles/storage.objectViewer",
        "${local.members[each.key]}",
        "${toset(module.plan.reads_rules)}",
    ),
}

FUNCTION = {
    "for_each": "${module.plan.functions}",
    "name": "${each.value.name}",
    "location": "${var.region}",
    "build_config.runtime": "${var.runtime}",
    "build_config.entry_point": "${each.key}",
    "build_config.service_account": '${google_service_account.this["build"].id}',
    "build_config.docker_repository": "${google_artifact_registry_repository.this.id}",
    "build_config.source.storage_source.bucket": "${google_storage_bucket.source.name}",
    "build_config.source.storage_source.object": "${google_storage_bucket_object.source.name}",
    "service_config.service_account_email": "${google_service_account.this[each.key].email}",
    "service_config.available_cpu": "${each.value.cpu}",
    "service_config.available_memory": "${each.value.memory}",
    "service_config.max_instance_request_concurrency": "${each.value.concurrency}",
    "service_config.min_instance_count": "${each.value.min_instances}",
    "service_config.max_instance_count": "${each.value.max_instances}",
    "service_config.timeout_seconds": "${each.value.timeout}",
    "service_config.ingress_settings": "${each.value.ingress}",
    "service_config.all_traffic_on_latest_revision": True,
    "service_config.environment_variables": "${each.value.environment}",
    "service_config.vpc_connector": "${each.value.egress ? google_vpc_access_connector.egress[0].id : null}",
    "service_config.vpc_connector_egress_settings": '${each.value.egress ? "ALL_TRAFFIC" : null}',
}

FIRST = {
    f"${{{address}}}"
    for address in GRANTS
    if "_storage_" in address or "_secret_" in address or "_project_" in address or "_artifact_" in address
} | {"${google_firestore_index.this}", "${google_compute_router_nat.egress}", "${google_storage_bucket_object.rules}"}
"""What a function needs as it is built and as it starts."""

SERVICES = {
    "google_artifact_registry_": ["artifactregistry"],
    "google_cloud_run_": ["run"],
    # They are built, kept as images and run elsewhere.
    "google_cloudfunctions2_": ["cloudfunctions", "cloudbuild", "artifactregistry", "run"],
    "google_cloud_scheduler_": ["cloudscheduler"],
    "google_compute_": ["compute"],
    "google_firestore_": ["firestore"],
    "google_logging_": ["logging"],
    "google_monitoring_": ["monitoring"],
    "google_project": ["cloudresourcemanager"],
    "google_pubsub_": ["pubsub"],
    "google_secret_manager_": ["secretmanager"],
    "google_service_account": ["iam"],
    "google_storage_": ["storage"],
    "google_vpc_access_": ["vpcaccess"],
}
"""The APIs of what a resource's type begins with, without `.googleapis.com`."""

WIRED: Mapping[str, Mapping[str, Any]] = {
    "google_service_account.this": {"for_each": "${module.plan.accounts}", "account_id": "${each.value}"},
    "google_secret_manager_secret.this": {
        "for_each": "${module.plan.secrets}",
        "secret_id": "${each.key}",
        "deletion_protection": "${var.protect_data}",
    },
    "google_storage_bucket.rules": {"force_destroy": "${!var.protect_data}"},
    "google_storage_bucket_object.source": {"bucket": "${google_storage_bucket.source.name}"},
    "google_storage_bucket_object.rules": {
        "bucket": "${google_storage_bucket.rules.name}",
        "name": "${module.plan.buckets.rules_object}",
        "source": "${var.rules_file}",
        "count": "${var.rules_file == null ? 0 : 1}",
    },
    "google_pubsub_subscription.push": {
        "topic": "${google_pubsub_topic.events.id}",
        "push_config.push_endpoint": '${module.plan.functions["process"].url}',
        "push_config.oidc_token.service_account_email": '${google_service_account.this["push"].email}',
        "retry_policy.minimum_backoff": "${module.plan.push.minimum_backoff}",
        "retry_policy.maximum_backoff": "${module.plan.push.maximum_backoff}",
        "dead_letter_policy.max_delivery_attempts": "${module.plan.push.max_delivery_attempts}",
    },
    "google_cloud_scheduler_job.sweep": {
        "schedule": "* * * * *",
        "time_zone": "Etc/UTC",
        "paused": "${var.sweep_paused}",
        "http_target.http_method": "POST",
        "http_target.uri": '${module.plan.functions["sweep"].url}',
        "http_target.oidc_token.service_account_email": '${google_service_account.this["scheduler"].email}',
        "retry_config.retry_count": 0,
    },
    "google_firestore_database.this": {"name": "${module.plan.database}", "type": "FIRESTORE_NATIVE"},
    "google_firestore_index.this": {
        "for_each": "${local.indexes}",
        "database": "${google_firestore_database.this.name}",
        "collection": "${each.value.collection}",
        "dynamic.fields.for_each": "${each.value.fields}",
        "dynamic.fields.content.field_path": '${split(" ", fields.value)[0]}',
        "dynamic.fields.content.order": '${endswith(fields.value, " contains") ? null : endswith(fields.value, " desc") ? "DESCENDING" : "ASCENDING"}',
        "dynamic.fields.content.array_config": '${endswith(fields.value, " contains") ? "CONTAINS" : null}',
    },
    "google_firestore_field.unindexed": {
        "for_each": '${merge([for collection, fields in local.unindexed : {for field in fields : "${collection}.${field}" => {collection = collection, field = field}}] ...)}',
        "database": "${google_firestore_database.this.name}",
        "collection": "${each.value.collection}",
        "field": "${each.value.field}",
        "index_config": [{}],
    },
    "google_compute_network.egress": {"count": _EGRESS},
    "google_compute_subnetwork.egress": {
        "count": _EGRESS,
        "network": "${google_compute_network.egress[0].id}",
        "ip_cidr_range": "${var.egress_range}",
        "private_ip_google_access": True,
    },
    "google_vpc_access_connector.egress": {
        "count": _EGRESS,
        "subnet.name": "${google_compute_subnetwork.egress[0].name}",
    },
    "google_compute_address.egress": {"count": _EGRESS, "region": "${var.region}"},
    "google_compute_router.egress": {"count": _EGRESS, "network": "${google_compute_network.egress[0].id}"},
    "google_compute_router_nat.egress": {
        "count": _EGRESS,
        "router": "${google_compute_router.egress[0].name}",
        "nat_ip_allocate_option": "MANUAL_ONLY",
        "nat_ips": ["${google_compute_address.egress[0].self_link}"],
        "source_subnetwork_ip_ranges_to_nat": "LIST_OF_SUBNETWORKS",
        "subnetwork.name": "${google_compute_subnetwork.egress[0].id}",
        "subnetwork.source_ip_ranges_to_nat": ["ALL_IP_RANGES"],
    },
}
"""By address, then by path: the arguments without which something else in the project does nothing, or the wrong thing."""


def a_function_is_all_that_the_plan_says(infra: Infra) -> Iterator[str]:
    body = infra.root.resources()["google_cloudfunctions2_function.this"]
    found = {path: value for path, value in _paths(body) if path not in {"depends_on", "description"}}
    yield from _differences("the function", found, FUNCTION)
    for address in sorted(FIRST - set(body["depends_on"])):
        yield f"functions start before {address}"


def everybody_may_do_what_they_have_to_and_no_more(infra: Infra) -> Iterator[str]:
    found = {address: body for address, body in infra.root.resources().items() if "_iam_" in address}
    for address in sorted(found.keys() | GRANTS.keys()):
        if address not in GRANTS or address not in found:
            yield f"{address} is {'new' if address in found else 'gone'}"
        elif (grant := _read_grant(found[address])) != GRANTS[address]:
            yield f"{address} is {grant}"
    wanted = {
        "members": '${{for name, account in google_service_account.this : name => "serviceAccount:${account.email}"}}',
        "pubsub_agent": "serviceAccount:service-${local.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com",
    }
    yield from _differences("local", {name: infra.root.locals.get(name) for name in wanted}, wanted)


def the_plan_names_who_does_what(infra: Infra) -> Iterator[str]:
    wanted = {
        "publishes": ["process", "receive"],
        "reads_rules": ["console", "install", "process", "receive", "sweep"],
        "reads_secrets": ["install", "process", "receive", "sweep"],
        "reads_store": ["console"],
        "calls_out": ["install", "process", "sweep"],
    }
    yield from _differences("plan", {name: sorted(infra.plan.locals[name]) for name in wanted}, wanted)


def the_plan_is_told_what_users_set(infra: Infra) -> Iterator[str]:
    derived = {
        "source": "./plan",
        "project_number": "${local.project_number}",
        "uploads_rules": "${var.rules_file != null}",
    }
    for name, value in infra.root.named("module")["plan"].items():
        if value != derived.get(name, f"${{var.{name}}}"):
            yield f"{name} is {value}"


def what_is_wired_is_there_and_wired(infra: Infra) -> Iterator[str]:
    resources = infra.root.resources()
    for address, wanted in WIRED.items():
        if address not in resources:
            yield f"there is no {address}"
            continue
        found = {path: value for path, value in _paths(resources[address]) if path in wanted}
        yield from _differences(address, found, wanted)
    accounts = infra.root.named("output").get("service_accounts", {}).get("value")
    if accounts != "${{for name in keys(module.plan.functions) : name => google_service_account.this[name].email}}":
        yield f"the accounts that are told are {accounts}"
    if infra.root.named("variable")["sweep_paused"]["default"] is not False:
        yield "sweep is paused by default"


def every_service_that_is_used_is_switched_on(infra: Infra) -> Iterator[str]:
    always, _, with_egress = infra.root.locals["apis"].partition("var.static_egress ?")
    on = {False: _apis(always), True: _apis(always) | _apis(with_egress)}
    apart = infra.root.resources().get("google_project_service.projects", {})
    for known in on.values():
        known.add(apart.get("service", "").removesuffix(".googleapis.com"))
    if infra.root.resources()["google_project_service.this"]["for_each"] != "${toset(local.apis)}":
        yield "not all of local.apis are switched on"
    for address, egress in _all_addresses(infra.root):
        kinds = [prefix for prefix in SERVICES if address.startswith(prefix)]
        if not kinds:
            yield f"nobody knows the service of {address}"
        for kind in kinds:
            if missing := set(SERVICES[kind]) - on[egress]:
                yield f"{address} needs {sorted(missing)}"


def _read_grant(body: Block) -> Grant:
    (on,) = [body[name] for name in _ON if name in body]
    condition = body["condition"][0]["expression"] if "condition" in body else None
    return Grant(on.removeprefix("${").removesuffix("}"), body["role"], body["member"], body.get("for_each"), condition)


def _apis(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)\.googleapis\.com"', text))


def _all_addresses(root: Terraform) -> Iterator[tuple[str, bool]]:
    """Each resource and data source, and whether it is only there with `static_egress`."""
    for address, body in root.resources().items():
        yield address, body.get("count") == _EGRESS
    for address in root.data():
        yield address, False


def _paths(body: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every argument by its path; a block that is there once is not numbered."""
    for name, value in body.items():
        path = f"{before}{name}"
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and value[0]:
            yield from _paths(value[0], f"{path}.")
        elif isinstance(value, dict):
            yield from _paths(value, f"{path}.")
        else:
            yield path, value


def _differences(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            yield f"{what}: {name} is {found.get(name)!r} and not {wanted.get(name)!r}"


WIRING: dict[str, Policy] = {
    policy.__name__: policy
    for policy in (
        a_function_is_all_that_the_plan_says,
        everybody_may_do_what_they_have_to_and_no_more,
        the_plan_names_who_does_what,
        the_plan_is_told_what_users_set,
        what_is_wired_is_there_and_wired,
        every_service_that_is_used_is_switched_on,
    )
}
