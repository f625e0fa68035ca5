resource "google_cloud_scheduler_job" "sweep" {
  name        = "${var.name}-sweep"
  description = "Works on whatever is due, also where Pub/Sub told nobody."
  region      = coalesce(var.scheduler_region, var.region)
  schedule    = "* * * * *"
  time_zone   = "Etc/UTC"
  paused      = var.sweep_paused

  attempt_deadline = module.plan.sweeping.attempt_deadline

  http_target {
    http_method = "POST"
    uri         = module.plan.functions["sweep"].url

    oidc_token {
      service_account_email = google_service_account.this["scheduler"].email
      audience              = module.plan.functions["sweep"].url
    }
  }

  # The next minute is the next attempt.
  retry_config {
    retry_count = 0
  }

  depends_on = [google_cloud_run_service_iam_member.own]
}
