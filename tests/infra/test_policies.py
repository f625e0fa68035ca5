"""The policies hold for `infra/`, and each of them notices what it is there for."""

from __future__ import annotations

import re

import hcl2
import pytest

from support.infra_alerts import ALERTING
from support.infra_mistakes import WIRED_WRONGLY, Mistake
from support.infra_policies import KEPT, Infra
from support.infra_wiring import WIRING
from support.terraform import INFRA, read

POLICIES = KEPT | WIRING | ALERTING

MISTAKES = [
    *WIRED_WRONGLY,
    Mistake(
        "only_receive_and_install_are_public",
        "plan/main.tf",
        'public = ["receive", "install"]',
        'public = ["receive", "install", "console"]',
    ),
    Mistake(
        "only_receive_and_install_are_public", "identities.tf", "toset(module.plan.public)", "module.plan.functions"
    ),
    Mistake(
        "only_receive_and_install_are_public",
        "storage.tf",
        "member = local.members[each.key]",
        'member = "allAuthenticatedUsers"',
    ),
    Mistake(
        "process_and_sweep_are_called_from_inside_by_their_own_identity",
        "plan/main.tf",
        'internal = ["process", "sweep"]',
        'internal = ["sweep"]',
    ),
    Mistake(
        "process_and_sweep_are_called_from_inside_by_their_own_identity",
        "plan/main.tf",
        'sweep = "scheduler"',
        'sweep = "push"',
    ),
    Mistake(
        "process_and_sweep_are_called_from_inside_by_their_own_identity",
        "functions.tf",
        "= each.value.ingress",
        '= "ALLOW_ALL"',
    ),
    Mistake(
        "process_and_sweep_are_called_from_inside_by_their_own_identity",
        "identities.tf",
        "member   = local.members[each.value]",
        'member   = "group:all@example.com"',
    ),
    Mistake(
        "calls_of_the_platform_bring_a_token_for_the_address_they_call",
        "pubsub.tf",
        "audience              = module.plan",
        "audience              = local.other",
    ),
    Mistake(
        "calls_of_the_platform_bring_a_token_for_the_address_they_call",
        "scheduler.tf",
        'audience              = module.plan.functions["sweep"]',
        'audience              = module.plan.functions["process"]',
    ),
    Mistake("every_subscription_retries_keeps_and_never_expires", "pubsub.tf", 'ttl = ""', 'ttl = "2678400s"'),
    Mistake(
        "every_subscription_retries_keeps_and_never_expires",
        "pubsub.tf",
        "maximum_backoff = module.plan.push.maximum_backoff",
        "",
    ),
    Mistake(
        "every_subscription_retries_keeps_and_never_expires",
        "pubsub.tf",
        'message_retention_duration = "604800s"\n',
        'message_retention_duration = "600s"\n',
    ),
    Mistake("every_subscription_retries_keeps_and_never_expires", "plan/main.tf", "minimum = 10,", "minimum = 0,"),
    Mistake(
        "every_subscription_has_dead_letters_somewhere",
        "pubsub.tf",
        "  dead_letter_policy {\n    dead_letter_topic     = google_pubsub_topic.dead.id\n    max_delivery_attempts = module.plan.push.max_delivery_attempts\n  }\n",
        "",
    ),
    Mistake(
        "every_dead_topic_has_a_subscription_that_does_not_push",
        "pubsub.tf",
        "topic = google_pubsub_topic.dead.id\n\n  ack_deadline_seconds       = 60",
        "topic = google_pubsub_topic.events.id\n\n  ack_deadline_seconds       = 60",
    ),
    Mistake(
        "pubsub_may_move_dead_letters",
        "pubsub.tf",
        "topic  = google_pubsub_topic.dead.name",
        "topic  = google_pubsub_topic.events.name",
    ),
    Mistake(
        "pubsub_may_move_dead_letters",
        "pubsub.tf",
        "subscription = google_pubsub_subscription.push.name",
        "subscription = google_pubsub_subscription.dead.name",
    ),
    Mistake(
        "deadlines_are_above_timeouts_and_those_above_the_longest_request",
        "plan/main.tf",
        "ack_deadline     = 180",
        "ack_deadline     = 120",
    ),
    Mistake(
        "deadlines_are_above_timeouts_and_those_above_the_longest_request",
        "plan/main.tf",
        "timeout = 120",
        "timeout = 60",
    ),
    Mistake(
        "deadlines_are_above_timeouts_and_those_above_the_longest_request",
        "plan/main.tf",
        "attempt_deadline = 180",
        "attempt_deadline = 60",
    ),
    Mistake(
        "deadlines_are_above_timeouts_and_those_above_the_longest_request",
        "pubsub.tf",
        "= module.plan.push.ack_deadline",
        "= 60",
    ),
    Mistake(
        "one_instance_of_process_is_the_default",
        "plan/main.tf",
        "max_instances = 1, timeout = 120",
        "max_instances = 2, timeout = 120",
    ),
    Mistake(
        "one_instance_of_process_is_the_default", "plan/checks.tf", 'check "process_instances"', 'check "instances"'
    ),
    Mistake(
        "no_value_of_a_secret_is_in_the_state",
        "secrets.tf",
        'resource "google_secret_manager_secret" "this" {',
        'resource "google_secret_manager_secret_version" "this" {',
    ),
    Mistake(
        "no_value_of_a_secret_is_in_the_state",
        "plan.tf",
        'data "google_project" "this" {',
        'data "google_secret_manager_secret_version" "this" {',
    ),
    Mistake(
        "no_value_of_a_secret_is_in_the_state", "secrets.tf", "secret_id           = each.key", "secret_data = each.key"
    ),
    Mistake(
        "every_secret_is_read_by_whom_the_plan_names",
        "secrets.tf",
        "roles/secretmanager.viewer",
        "roles/secretmanager.secretAccessor",
    ),
    Mistake(
        "every_secret_is_read_by_whom_the_plan_names",
        "secrets.tf",
        "local.members[each.value.reader]",
        'local.members["receive"]',
    ),
    Mistake(
        "every_function_has_an_identity_of_its_own",
        "functions.tf",
        "google_service_account.this[each.key].email",
        'google_service_account.this["receive"].email',
    ),
    Mistake(
        "every_function_has_an_identity_of_its_own",
        "functions.tf",
        '    service_account   = google_service_account.this["build"].id\n',
        "",
    ),
    Mistake(
        "every_function_has_an_identity_of_its_own",
        "identities.tf",
        "member   = each.key",
        'member   = "serviceAccount:1-compute@developer.gserviceaccount.com"',
    ),
    Mistake(
        "rights_are_given_on_one_thing_and_only_added",
        "identities.tf",
        'resource "google_project_iam_member" "store"',
        'resource "google_project_iam_binding" "store"',
    ),
    Mistake(
        "rights_are_given_on_one_thing_and_only_added",
        "build.tf",
        "roles/artifactregistry.writer",
        "roles/artifactregistry.repoAdmin",
    ),
    Mistake("rights_are_given_on_one_thing_and_only_added", "build.tf", "roles/logging.logWriter", "roles/viewer"),
    Mistake("buckets_are_closed_and_keep_versions", "storage.tf", 'public_access_prevention    = "enforced"', ""),
    Mistake(
        "buckets_are_closed_and_keep_versions",
        "storage.tf",
        "versioning {\n    enabled = true",
        "versioning {\n    enabled = false",
    ),
    Mistake(
        "new_code_is_deployed_and_new_rules_are_not",
        "storage.tf",
        "functions-${filesha256(var.source_zip)}.zip",
        "functions.zip",
    ),
    Mistake(
        "new_code_is_deployed_and_new_rules_are_not",
        "plan/main.tf",
        '? "rules.yaml" : null',
        '? "rules-${filemd5(var.rules)}.yaml" : null',
    ),
    Mistake(
        "new_code_is_deployed_and_new_rules_are_not",
        "storage.tf",
        "  source_md5hash = filemd5(var.rules_file)\n",
        "",
    ),
    Mistake(
        "the_database_is_protected",
        "firestore.tf",
        'var.protect_data ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"',
        '"DELETE_PROTECTION_DISABLED"',
    ),
    Mistake("settings_and_environment_are_the_same", "plan/main.tf", '        LOG_FORMAT           = "gcp"\n', ""),
    Mistake("settings_and_environment_are_the_same", "plan/main.tf", "SHOW_PHONE_NUMBERS   =", "SHOW_NUMBERS   ="),
    Mistake("settings_and_environment_are_the_same", "plan/variables.tf", '"SHOW_PHONE_NUMBERS", ', ""),
    Mistake("every_alert_says_what_to_do", "alerts.tf", "      1. ", "      "),
    Mistake(
        "every_alert_says_what_to_do",
        "alerts.tf",
        '  severity              = "ERROR"\n  notification_channels = local.channels\n',
        '  severity              = "ERROR"\n',
    ),
    Mistake(
        "every_alert_says_what_to_do", "alerts.tf", '    notification_rate_limit {\n      period = "3600s"\n    }\n', ""
    ),
    Mistake(
        "whatever_users_set_is_described",
        "variables.tf",
        'description = "Python of the functions."',
        'description = ""',
    ),
    Mistake("whatever_users_set_is_described", "plan.tf", "  static_egress         = var.static_egress\n", ""),
]


EXAMPLE = INFRA / "terraform.tfvars.example"


@pytest.fixture(scope="module")
def infra() -> Infra:
    return Infra(read(), read(INFRA / "plan"))


@pytest.mark.parametrize("policy", POLICIES)
def test_infra_keeps_to_the_policy(infra: Infra, policy: str) -> None:
    """What is in `infra/` breaks no policy."""
    assert list(POLICIES[policy](infra)) == []


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{mistake.policy}-{number}" for number, mistake in enumerate(MISTAKES)]
)
def test_policy_notices_a_mistake(infra: Infra, mistake: Mistake) -> None:
    """A mistake that its policy is there for is found."""
    folder, _, name = mistake.file.rpartition("/")
    changed = read(INFRA / folder, file=name, old=mistake.old, new=mistake.new)
    broken = infra._replace(plan=changed) if folder else infra._replace(root=changed)

    assert list(POLICIES[mistake.policy](broken)) != []


def test_every_policy_has_a_mistake_that_it_notices() -> None:
    """No policy is trusted that was never seen to find something."""
    assert {mistake.policy for mistake in MISTAKES} == POLICIES.keys()


def test_example_sets_what_must_be_set_and_nothing_unknown(infra: Infra) -> None:
    """Whoever copies the example has every variable without a default, and none that is no more."""
    variables = infra.root.named("variable")
    required = {name for name, body in variables.items() if "default" not in body}
    text = EXAMPLE.read_text()
    offered = set(re.findall(r"^# ([a-z_]+) += ", text, re.MULTILINE))

    # Without its comments, which are read too.
    assert required <= hcl2.loads(re.sub(r"(?m)^#.*", "", text)).keys() <= variables.keys()
    assert offered
    assert offered <= variables.keys()
