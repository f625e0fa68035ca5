# One service account per function, one that builds, and one each for Pub/Sub and Cloud Scheduler to call with. Nobody
# uses the default account of Compute Engine. What each may do stands beside what it may do it to.

resource "google_service_account" "this" {
  for_each = module.plan.accounts

  account_id   = each.value
  display_name = "Badge Bridge: ${each.key}"

  depends_on = [google_project_service.this]
}

locals {
  members = { for name, account in google_service_account.this : name => "serviceAccount:${account.email}" }
}

# Firestore has no policies of its own, so the binding is the project's and names the database.
# (Firestore docs, "Manage databases", per-database access)
resource "google_project_iam_member" "store" {
  for_each = module.plan.store_roles

  project = var.project
  role    = each.value
  member  = local.members[each.key]

  condition {
    title       = "database-${module.plan.database}"
    description = "Only the database of Badge Bridge."
    expression  = "resource.name == \"projects/${var.project}/databases/${google_firestore_database.this.name}\""
  }
}

# Whoever may call: everybody.
resource "google_cloud_run_service_iam_member" "public" {
  # checkov:skip=CKV_GCP_102: telephony providers and portals have no identity of Google's; they sign what they send
  for_each = toset(module.plan.public)

  location = var.region
  service  = google_cloudfunctions2_function.this[each.key].name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

# Whoever may call: Pub/Sub and Cloud Scheduler, each its own function.
resource "google_cloud_run_service_iam_member" "own" {
  for_each = module.plan.invokers

  location = var.region
  service  = google_cloudfunctions2_function.this[each.key].name
  role     = "roles/run.invoker"
  member   = local.members[each.value]
}

# Whoever may call: operators.
resource "google_cloud_run_service_iam_member" "console" {
  for_each = module.plan.console_members

  location = var.region
  service  = google_cloudfunctions2_function.this["console"].name
  role     = "roles/run.invoker"
  member   = each.key
}

# In projects from before April 2021, Pub/Sub cannot make tokens without being told so (Pub/Sub docs, "Authenticate push
# subscriptions"). Only for this one account.
resource "google_service_account_iam_member" "push_token" {
  service_account_id = google_service_account.this["push"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  depends_on = [google_pubsub_topic.events]
}
