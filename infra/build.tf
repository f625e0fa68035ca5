# Cloud Build makes one image per function from the zip, as an identity that can do nothing else.
# (Cloud Run functions docs, "Custom service account for Cloud Build")

resource "google_artifact_registry_repository" "this" {
  # checkov:skip=CKV_GCP_84: Google's own key encrypts it; the images hold public code and no data
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"
  description   = "Images of the functions, made by Cloud Build."

  # Only what runs is needed, and what is rolled back to.
  cleanup_policies {
    id     = "keep"
    action = "KEEP"
    most_recent_versions {
      keep_count = 3
    }
  }
  cleanup_policies {
    id     = "delete"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_artifact_registry_repository_iam_member" "build" {
  location   = var.region
  repository = google_artifact_registry_repository.this.name
  role       = "roles/artifactregistry.writer"
  member     = local.members["build"]
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = local.members["build"]
}

# Cloud Functions copies the zip into a bucket of its own, which the first deployment makes.
resource "google_project_iam_member" "build_sources" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = local.members["build"]

  condition {
    title       = "sources-of-functions"
    description = "Only where Cloud Functions keeps sources."
    expression  = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${local.project_number}-\")"
  }
}

# A log cannot be named in a policy.
resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = local.members["build"]
}
