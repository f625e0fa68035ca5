"""Mistakes in the wiring of `infra/`, one for each thing that `infra_wiring` and `infra_alerts` are there to find."""

from __future__ import annotations

from typing import NamedTuple

from support.infra_alerts import ALERTS

__all__ = ["WIRED_WRONGLY", "Mistake"]


class Mistake(NamedTuple):
    """In one file, `new` stands instead of `old`; files of the plan begin with `plan/`."""

    policy: str
    file: str
    old: str
    new: str


def _gone(policy: str, file: str, type_: str, name: str) -> Mistake:
    """The resource is another one."""
    return Mistake(policy, file, f'resource "{type_}" "{name}" {{', f'resource "terraform_data" "{name}" {{')


_FUNCTION = "a_function_is_all_that_the_plan_says"
_GRANTS = "everybody_may_do_what_they_have_to_and_no_more"
_WIRED = "what_is_wired_is_there_and_wired"
_SERVICES = "every_service_that_is_used_is_switched_on"
_ALERTS = "each_alert_looks_at_what_it_is_about"
_METRICS = "what_lines_are_counted_as_is_made_and_shown"

WIRED_WRONGLY = [
    *(
        Mistake(_FUNCTION, "functions.tf", line, "")
        for line in (
            "    environment_variables            = each.value.environment\n",
            "    timeout_seconds                  = each.value.timeout\n",
            "    max_instance_count               = each.value.max_instances\n",
            "    min_instance_count               = each.value.min_instances\n",
            "    max_instance_request_concurrency = each.value.concurrency\n",
            "    available_cpu                    = each.value.cpu\n",
            "    available_memory                 = each.value.memory\n",
            "    all_traffic_on_latest_revision   = true\n",
            "    google_project_iam_member.store,\n",
            "    google_secret_manager_secret_iam_member.lister,\n",
        )
    ),
    Mistake(_FUNCTION, "functions.tf", "= each.value.environment", "= {}"),
    Mistake(_FUNCTION, "functions.tf", "entry_point       = each.key", 'entry_point       = "receive"'),
    Mistake(_FUNCTION, "functions.tf", "google_storage_bucket.source.name", "google_storage_bucket.rules.name"),
    Mistake(_FUNCTION, "functions.tf", "ALL_TRAFFIC", "PRIVATE_RANGES_ONLY"),
    Mistake(_FUNCTION, "functions.tf", "each.value.egress ? google_vpc", "var.static_egress ? google_vpc"),
    Mistake(_FUNCTION, "functions.tf", "for_each = module.plan.functions", "for_each = {}"),
    _gone(_GRANTS, "pubsub.tf", "google_pubsub_topic_iam_member", "publisher"),
    _gone(_GRANTS, "storage.tf", "google_storage_bucket_iam_member", "rules"),
    _gone(_GRANTS, "identities.tf", "google_project_iam_member", "store"),
    _gone(_GRANTS, "identities.tf", "google_service_account_iam_member", "push_token"),
    _gone(_GRANTS, "identities.tf", "google_cloud_run_service_iam_member", "public"),
    _gone(_GRANTS, "identities.tf", "google_cloud_run_service_iam_member", "own"),
    _gone(_GRANTS, "identities.tf", "google_cloud_run_service_iam_member", "console"),
    _gone(_GRANTS, "build.tf", "google_artifact_registry_repository_iam_member", "build"),
    _gone(_GRANTS, "build.tf", "google_storage_bucket_iam_member", "build"),
    _gone(_GRANTS, "build.tf", "google_project_iam_member", "build_sources"),
    Mistake(_GRANTS, "identities.tf", "roles/run.invoker", "roles/run.developer"),
    Mistake(_GRANTS, "identities.tf", "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser"),
    Mistake(
        _GRANTS,
        "identities.tf",
        '"resource.name == \\"projects/${var.project}/databases/${google_firestore_database.this.name}\\""',
        '"true"',
    ),
    Mistake(
        _GRANTS,
        "build.tf",
        '"resource.name.startsWith(\\"projects/_/buckets/gcf-v2-sources-${local.project_number}-\\")"',
        '"true"',
    ),
    Mistake(
        _GRANTS,
        "storage.tf",
        'resource "google_storage_bucket_object" "rules" {',
        'resource "google_project_iam_member" "further" {\n  project = var.project\n  role = "roles/viewer"\n  member = "user:a@b.example"\n}\nresource "google_storage_bucket_object" "rules" {',
    ),
    Mistake(_GRANTS, "storage.tf", "toset(module.plan.reads_rules)", "toset(module.plan.publishes)"),
    Mistake(
        _GRANTS, "plan.tf", "gcp-sa-pubsub.iam.gserviceaccount.com", "gcp-sa-cloudscheduler.iam.gserviceaccount.com"
    ),
    Mistake(
        "the_plan_names_who_does_what",
        "plan/main.tf",
        'publishes     = ["receive", "process"]',
        'publishes = ["process"]',
    ),
    Mistake(
        "the_plan_names_who_does_what",
        "plan/main.tf",
        '["receive", "process", "sweep", "install"]',
        '["receive", "process", "install"]',
    ),
    Mistake("the_plan_names_who_does_what", "plan/main.tf", '= ["process", "sweep", "install"]', '= ["process"]'),
    Mistake("the_plan_is_told_what_users_set", "plan.tf", "= var.static_egress", "= false"),
    Mistake("the_plan_is_told_what_users_set", "plan.tf", "var.rules_file != null", "false"),
    Mistake(_WIRED, "firestore.tf", "= module.plan.database", '= "badge-bridge"'),
    _gone(_WIRED, "firestore.tf", "google_firestore_index", "this"),
    Mistake(
        _WIRED,
        "firestore.tf",
        "for_each = local.indexes\n",
        'for_each = { for name, index in local.indexes : name => index if index.collection == "events" }\n',
    ),
    Mistake(_WIRED, "firestore.tf", '"DESCENDING" : "ASCENDING"', '"ASCENDING" : "DESCENDING"'),
    Mistake(_WIRED, "firestore.tf", "  # Empty: no index.\n  index_config {}\n", ""),
    Mistake(_WIRED, "firestore.tf", "field      = each.value.field", 'field      = "settled_at"'),
    Mistake(
        _WIRED, "outputs.tf", "google_service_account.this[name].email", 'google_service_account.this["push"].email'
    ),
    _gone(_WIRED, "scheduler.tf", "google_cloud_scheduler_job", "sweep"),
    Mistake(_WIRED, "scheduler.tf", '"* * * * *"', '"0 * * * *"'),
    Mistake(_WIRED, "scheduler.tf", "= var.sweep_paused", "= true"),
    Mistake(_WIRED, "scheduler.tf", '"POST"', '"GET"'),
    Mistake(_WIRED, "scheduler.tf", 'this["scheduler"]', 'this["push"]'),
    Mistake(_WIRED, "scheduler.tf", 'functions["sweep"]', 'functions["process"]'),
    Mistake(
        _WIRED,
        "variables.tf",
        'variable "sweep_paused" {\n  description = "Stops sweep, for maintenance: nothing is tried again then, and what no message tells of stays undone."\n  type        = bool\n  default     = false',
        'variable "sweep_paused" {\n  type    = bool\n  default = true',
    ),
    Mistake(_WIRED, "pubsub.tf", 'functions["process"]', 'functions["sweep"]'),
    Mistake(_WIRED, "pubsub.tf", "module.plan.push.max_delivery_attempts", "5"),
    Mistake(_WIRED, "network.tf", '"MANUAL_ONLY"', '"AUTO_ONLY"'),
    Mistake(_WIRED, "network.tf", "[google_compute_address.egress[0].self_link]", "[]"),
    Mistake(_WIRED, "network.tf", "google_compute_subnetwork.egress[0].id", "google_compute_network.egress[0].id"),
    _gone(_WIRED, "network.tf", "google_compute_router_nat", "egress"),
    Mistake(_WIRED, "storage.tf", "google_storage_bucket.rules.name", "google_storage_bucket.source.name"),
    Mistake(_WIRED, "storage.tf", "= !var.protect_data", "= true"),
    Mistake(_WIRED, "secrets.tf", "  deletion_protection = var.protect_data\n", ""),
    Mistake(_WIRED, "secrets.tf", "for_each = module.plan.secrets\n", "for_each = {}\n"),
    Mistake(_WIRED, "identities.tf", "account_id   = each.value", "account_id   = each.key"),
    *(
        Mistake(_SERVICES, "apis.tf", f'"{name}.googleapis.com"', '"example.googleapis.com"')
        for name in (
            "artifactregistry",
            "cloudbuild",
            "cloudfunctions",
            "cloudresourcemanager",
            "cloudscheduler",
            "compute",
            "firestore",
            "iam",
            "logging",
            "monitoring",
            "pubsub",
            "run",
            "secretmanager",
            "storage",
            "vpcaccess",
        )
    ),
    Mistake(_SERVICES, "apis.tf", "for_each = toset(local.apis)", "for_each = toset([])"),
    Mistake(_SERVICES, "network.tf", "count = var.static_egress ? 1 : 0", "count = 1"),
    Mistake(_SERVICES, "pubsub.tf", "google_pubsub_topic", "google_eventarc_trigger"),
    *(_gone(_ALERTS, "alerts.tf", "google_monitoring_alert_policy", name) for name in ALERTS),
    Mistake(_ALERTS, "alerts.tf", "${local.counted.dead.filter}", "${local.counted.ended.filter}"),
    Mistake(_ALERTS, "alerts.tf", 'jsonPayload.kind=\\"start\\"', 'jsonPayload.kind=\\"begin\\"'),
    Mistake(_ALERTS, "alerts.tf", "subscription/dead_letter_message_count", "subscription/num_undelivered_messages"),
    Mistake(_ALERTS, "alerts.tf", 'response_code = \\"401\\"', 'response_code = \\"403\\"'),
    Mistake(_ALERTS, "alerts.tf", "httpRequest.status=429", "httpRequest.status=503"),
    Mistake(_ALERTS, "alerts.tf", "for name in module.plan.public", 'for name in ["receive"]'),
    Mistake(_ALERTS, "alerts.tf", "jsonPayload.waited_ms>=900000", ""),
    Mistake(_ALERTS, "alerts.tf", 'response_code_class != \\"2xx\\"', 'response_code_class != \\"5xx\\"'),
    Mistake(_ALERTS, "alerts.tf", "COMPARISON_GT", "COMPARISON_LT"),
    Mistake(_ALERTS, "alerts.tf", "threshold_value    = 0.01", "threshold_value    = 1"),
    Mistake(_ALERTS, "alerts.tf", "enabled               = !var.sweep_paused", "enabled               = false"),
    Mistake(_ALERTS, "alerts.tf", 'combiner              = "OR"', 'combiner              = "AND"'),
    Mistake(_ALERTS, "logging.tf", 'resource.type=\\"cloud_run_revision\\"', 'resource.type=\\"cloud_function\\"'),
    _gone(_METRICS, "dashboard.tf", "google_monitoring_dashboard", "this"),
    _gone(_METRICS, "logging.tf", "google_logging_metric", "counted"),
    _gone(_METRICS, "logging.tf", "google_logging_metric", "waited"),
    Mistake(_METRICS, "logging.tf", "${local.our_lines} ${each.value.filter}", "${each.value.filter}"),
    Mistake(_METRICS, "dashboard.tf", "filter = local.logged.dead,", "filter = local.logged.ended,"),
]
