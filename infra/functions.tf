resource "google_cloudfunctions2_function" "this" {
  # checkov:skip=CKV_GCP_124: receive and install are for providers and portals on the internet, console for operators; process and sweep take internal calls only (plan/main.tf)
  for_each = module.plan.functions

  name        = each.value.name
  location    = var.region
  description = "Badge Bridge: ${each.key}"

  build_config {
    runtime           = var.runtime
    entry_point       = each.key
    service_account   = google_service_account.this["build"].id
    docker_repository = google_artifact_registry_repository.this.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.this[each.key].email
    available_cpu                    = each.value.cpu
    available_memory                 = each.value.memory
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    timeout_seconds                  = each.value.timeout
    ingress_settings                 = each.value.ingress
    all_traffic_on_latest_revision   = true
    environment_variables            = each.value.environment

    vpc_connector                 = each.value.egress ? google_vpc_access_connector.egress[0].id : null
    vpc_connector_egress_settings = each.value.egress ? "ALL_TRAFFIC" : null
  }

  # What an instance needs as it starts.
  depends_on = [
    google_artifact_registry_repository_iam_member.build,
    google_compute_router_nat.egress,
    google_firestore_index.this,
    google_project_iam_member.build_logs,
    google_project_iam_member.build_sources,
    google_project_iam_member.store,
    google_secret_manager_secret_iam_member.reader,
    google_secret_manager_secret_iam_member.lister,
    google_storage_bucket_iam_member.build,
    google_storage_bucket_iam_member.rules,
    google_storage_bucket_object.rules,
  ]
}

data "google_cloud_run_v2_service" "this" {
  for_each = module.plan.invokers

  name     = google_cloudfunctions2_function.this[each.key].name
  location = var.region
}

# Tokens are made for these addresses, and Cloud Run takes no others.
check "addresses" {
  assert {
    condition = alltrue([
      for name in keys(module.plan.invokers) :
      contains(data.google_cloud_run_v2_service.this[name].urls, module.plan.functions[name].url)
    ])
    error_message = "Cloud Run gave process or sweep another address than plan/main.tf expects, so that Pub/Sub and Cloud Scheduler cannot call them."
  }
}
