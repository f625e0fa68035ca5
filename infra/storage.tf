# The source zip, and the rules file in a bucket of its own, since other identities read that.

resource "google_storage_bucket" "source" {
  # checkov:skip=CKV_GCP_62: who reads the zip is told by Cloud Audit Logs; logs of each access would need a third bucket
  name     = module.plan.buckets.source
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  versioning {
    enabled = true
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  depends_on = [google_project_service.this]
}

# Named by its content, so that a deployment with the same code changes nothing.
resource "google_storage_bucket_object" "source" {
  name   = "functions-${filesha256(var.source_zip)}.zip"
  bucket = google_storage_bucket.source.name
  source = var.source_zip

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_storage_bucket" "rules" {
  # checkov:skip=CKV_GCP_62: who reads the rules is told by Cloud Audit Logs; logs of each access would need a third bucket
  name     = module.plan.buckets.rules
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.protect_data

  versioning {
    enabled = true
  }

  depends_on = [google_project_service.this]
}

# While it is replaced, it may be away for a moment: instances keep the rules that they have.
resource "google_storage_bucket_object" "rules" {
  count = var.rules_file == null ? 0 : 1

  name         = module.plan.buckets.rules_object
  bucket       = google_storage_bucket.rules.name
  source       = var.rules_file
  content_type = "application/yaml"

  source_md5hash = filemd5(var.rules_file)
}

resource "google_storage_bucket_iam_member" "rules" {
  for_each = toset(module.plan.reads_rules)

  bucket = google_storage_bucket.rules.name
  role   = "roles/storage.objectViewer"
  member = local.members[each.key]
}
