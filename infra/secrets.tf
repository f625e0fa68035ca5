# Only the secrets, never their values: what Terraform writes, its state shows. Values are added with
# `gcloud secrets versions add NAME --data-file=-`.

resource "google_secret_manager_secret" "this" {
  for_each = module.plan.secrets

  secret_id           = each.key
  deletion_protection = var.protect_data

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = module.plan.secret_readers

  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members[each.value.reader]
}

# While a secret is rotated all its enabled versions count, so functions list them, which the accessor may not.
resource "google_secret_manager_secret_iam_member" "lister" {
  for_each = module.plan.secret_readers

  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.viewer"
  member    = local.members[each.value.reader]
}
