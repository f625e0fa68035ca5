locals {
  apis = concat(
    [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudscheduler.googleapis.com",
      "firestore.googleapis.com",
      "iam.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "storage.googleapis.com",
    ],
    var.static_egress ? ["compute.googleapis.com", "vpcaccess.googleapis.com"] : [],
  )
}

resource "google_project_service" "this" {
  for_each = toset(local.apis)

  project = var.project
  service = each.key

  # Others in the project may use them.
  disable_on_destroy = false
}

# Apart, since the number of the project is read through it: that must stay known when another one is added.
resource "google_project_service" "projects" {
  project            = var.project
  service            = "cloudresourcemanager.googleapis.com"
  disable_on_destroy = false
}
