# What somebody should look at, and what to do then. Alerts that look for a line in the log need no metric, so they work
# from the first minute.

resource "google_monitoring_notification_channel" "email" {
  count = var.alert_email == null ? 0 : 1

  display_name = "Badge Bridge: ${var.alert_email}"
  type         = "email"
  labels       = { email_address = var.alert_email }

  depends_on = [google_project_service.this]
}

locals {
  channels = concat(var.notification_channels, google_monitoring_notification_channel.email[*].id)

  # Cloud Run's own log of what was asked of the functions that everybody may call.
  public_requests = join(" ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.location=\"${var.region}\"",
    "resource.labels.service_name=(${join(" OR ", [for name in module.plan.public : "\"${module.plan.functions[name].name}\""])})",
    "log_id(\"run.googleapis.com/requests\")",
  ])

  # Answers of one function, as Cloud Run counts them: those that an instance gave.
  answers = {
    for name, function in module.plan.functions : name => join(" AND ", [
      "resource.type = \"cloud_run_revision\"",
      "resource.labels.service_name = \"${function.name}\"",
      "metric.type = \"run.googleapis.com/request_count\"",
    ])
  }
}

resource "google_monitoring_alert_policy" "dead_letters" {
  display_name          = "${var.name}: dead letters"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels

  conditions {
    display_name = "Messages became dead letters"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.push.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/dead_letter_message_count\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_DELTA"
      }
    }
  }
  conditions {
    display_name = "Dead letters are waiting to be looked at"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.dead.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: process did not take a message"
    content   = <<-EOT
      Pub/Sub pushed a message to `process` ${module.plan.push.max_delivery_attempts} times, and it was never taken. No event is lost by that: it is in Firestore, and `sweep` works on it.

      1. Look at them: `gcloud pubsub subscriptions pull ${module.plan.topic.dead_subscription} --project ${var.project} --limit 10`. The attribute `key` is the event's; it is left there until `--auto-ack`.
      2. A message without `key` is none of ours: `process` answered 400. Find out who else publishes to the topic `${module.plan.topic.name}`.
      3. Otherwise `process` could not start, could not reach Firestore, or had no free instance: look at its log of that time, and at the pushes on the dashboard (`remote_server_4xx` has 429 in it, which Cloud Run's log of requests tells). Where 429 prevail, raise `functions.process.max_instances`.
      4. When it works again, take them off: the same command with `--auto-ack`.
    EOT
  }
}

resource "google_monitoring_alert_policy" "backlog" {
  display_name          = "${var.name}: messages are not taken"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels

  conditions {
    display_name = "The oldest message is older than 10 minutes"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.push.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      comparison      = "COMPARISON_GT"
      threshold_value = 600
      duration        = "300s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: badges come late"
    content   = <<-EOT
      A message has waited for `process` for more than ten minutes. Until it is taken, `sweep` works on what is due, slower.

      1. On the dashboard, look at the pushes by answer. `remote_server_5xx`: the log of `process` says why. `remote_server_4xx`: Cloud Run's log of requests has the status. 401 or 403: its invoker or its audience has changed; `terraform plan` shows it. 429: it has no free instance.
      2. With 429 or a CPU that is used up: raise `functions.process.cpu` (with 4 CPUs, `memory` is 2Gi at least, with 8 it is 4Gi), then `functions.process.max_instances`, and apply.
      3. A portal that does not answer is no reason: its events wait in Firestore and not in Pub/Sub.
    EOT
  }
}

resource "google_monitoring_alert_policy" "receive_fails" {
  display_name          = "${var.name}: deliveries are answered with 5xx"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "More than 1 % of deliveries in 5 minutes"

    condition_threshold {
      filter             = "${local.answers["receive"]} AND metric.labels.response_code_class = \"5xx\""
      denominator_filter = local.answers["receive"]
      comparison         = "COMPARISON_GT"
      threshold_value    = 0.01
      duration           = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
      denominator_aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: calls may be lost"
    content   = <<-EOT
      `receive` answers 5xx, so events are not stored. Providers that try again will deliver them later; Bitrix24 and some others never try again.

      1. `gcloud run services logs read ${module.plan.functions["receive"].name} --project ${var.project} --region ${var.region} --limit 50`
      2. "the bridge cannot start": the line says which setting, rule or secret is wrong. Put the last rules file back and apply.
      3. Firestore cannot be written: look at the status page of Google Cloud and at Firestore's quotas of the project.
      4. 504: a delivery took longer than ${module.plan.functions["receive"].timeout} s; look at Firestore's latency. A line that tells of a memory limit: raise `functions.receive.memory`, and apply. (Want of an instance raises an alert of its own.)
    EOT
  }
}

# Cloud Run itself answers 429 where all instances are busy. Its count of requests leaves out those that reach none, so
# only its log of requests tells. (Cloud Monitoring docs, "Google Cloud metrics", run/request_count; Cloud Run docs,
# "Troubleshoot", no available instance)
resource "google_monitoring_alert_policy" "overloaded" {
  display_name          = "${var.name}: deliveries find no free instance"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "A request of a provider or a portal was turned away"

    condition_matched_log {
      filter = "${local.public_requests} (httpRequest.status=429 OR textPayload:\"no available instance\")"
      label_extractors = {
        function = "EXTRACT(resource.labels.service_name)"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: calls may be lost"
    content   = <<-EOT
      `$${log.extracted_label.function}` had no free instance, and Cloud Run answered 429. Providers that try again will deliver later; Bitrix24 and some others never try again.

      1. On the dashboard: how many instances are there, and how long does `receive` take for an answer? Where it takes long, Firestore is slow, and more instances help little.
      2. Otherwise raise `max_instances` of this function in `functions`, and apply. The limit now is ${module.plan.functions["receive"].max_instances} for `receive` and ${module.plan.functions["install"].max_instances} for `install`.
      3. It is no more than a moment, after quiet: `functions.receive.min_instances` keeps instances ready.
      4. A source that sends far more than it used to: `jsonPayload.kind="delivery"` in the log, and the provider's own log of webhooks.
    EOT
  }
}

resource "google_monitoring_alert_policy" "refused" {
  display_name          = "${var.name}: many deliveries are refused"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels

  conditions {
    display_name = "More than ${var.refused_per_5_minutes} answers of 401 in 5 minutes"

    condition_threshold {
      filter          = "${local.answers["receive"]} AND metric.labels.response_code = \"401\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.refused_per_5_minutes
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: signatures do not match"
    content   = <<-EOT
      Deliveries are refused for their signature or token: a secret was changed on one side only, or a stranger tries.

      1. The dashboard shows which source. The log says what is wrong with each: `jsonPayload.kind="delivery" jsonPayload.result="refused"`.
      2. One source, all of its deliveries: compare its secret with the provider's, and `public_url` in the rules file with the address that is entered there. Add the right one: `gcloud secrets versions add NAME --data-file=-`; instances that run go on with the one that they have, so change a comment in the rules file and apply, and they follow within a minute.
      3. "The signature is right, but" old or in the future: no forgery. The provider's clock is wrong, or somebody has recorded the delivery and sends it again.
      4. One source, some of its deliveries, or names that you do not have: somebody guesses. Nothing of it is stored; Cloud Armor in front of `receive` can keep an address out.
    EOT
  }
}

resource "google_monitoring_alert_policy" "dead_events" {
  display_name          = "${var.name}: events were given up"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = "An event is dead"

    condition_matched_log {
      filter = "${local.our_lines} ${local.counted.dead.filter}"
      label_extractors = {
        key    = "EXTRACT(jsonPayload.key)"
        reason = "EXTRACT(jsonPayload.reason)"
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: an event was given up"
    content   = <<-EOT
      Event `$${log.extracted_label.key}` will not be tried again: $${log.extracted_label.reason}

      1. The log line has the rules and what the portal answered; the console shows all attempts.
      2. Mend what it says: a badge or a right that is missing in the portal, a rule, an expired application.
      3. Try it again: `STATE=firestore://${var.project}/${module.plan.database} badge-bridge events redrive KEY`, as somebody who may write to the database; `sweep` takes it within a minute or two.

      Further ones within the hour raise no mail of their own: `jsonPayload.kind="event" jsonPayload.state="dead"` finds them.
    EOT
  }
}

resource "google_monitoring_alert_policy" "paused" {
  display_name          = "${var.name}: a portal is paused"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels

  conditions {
    # Every pause has such a line at its very beginning. An event that was received a quarter of an hour ago and is
    # waiting still tells that this one has lasted, or that it was preceded by others.
    display_name = "Events have waited for a portal for 15 minutes"

    condition_matched_log {
      filter = "${local.our_lines} ${local.counted.paused.filter} jsonPayload.waited_ms>=900000"
      label_extractors = {
        lane   = "EXTRACT(jsonPayload.lane)"
        reason = "EXTRACT(jsonPayload.reason)"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: a portal does not answer or refuses"
    content   = <<-EOT
      Events have waited for `$${log.extracted_label.lane}` for a quarter of an hour or more: $${log.extracted_label.reason}

      They keep their place and use up no attempt; one at a time is tried, and the others follow when it works. So a short pause mends itself, and raises no alert.

      1. Unreachable: is the portal up, and does a firewall let us in (with `static_egress`, from one address)?
      2. Over its limits: do other applications ask the portal from the same address? `limits` in the rules file, or `static_egress`.
      3. Refused: `badge-bridge doctor` tells which right or token is missing.
    EOT
  }
}

resource "google_monitoring_alert_policy" "cannot_start" {
  display_name          = "${var.name}: a function cannot start"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "The bridge cannot start"

    condition_matched_log {
      filter = "${local.our_lines} jsonPayload.kind=\"start\" severity>=CRITICAL"
      label_extractors = {
        function = "EXTRACT(resource.labels.service_name)"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: a function cannot start"
    content   = <<-EOT
      `$${log.extracted_label.function}` answers 503, since a setting, the rules file or a secret is wrong. `findings` in the log line has all of it.

      1. A secret without a version: `gcloud secrets versions add NAME --project ${var.project} --data-file=-`. No new deployment is needed: the next request tries again.
      2. A mistake in the rules file: `badge-bridge check rules.yaml`, mend it, `terraform apply`.
      3. A right that is missing: `terraform plan` shows what was changed by hand.
    EOT
  }
}

resource "google_monitoring_alert_policy" "rules_refused" {
  display_name          = "${var.name}: the new rules are not used"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = "The newest rules file has mistakes"

    condition_matched_log {
      filter = "${local.our_lines} jsonPayload.kind=\"rules_refused\""
      label_extractors = {
        function = "EXTRACT(resource.labels.service_name)"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: the new rules file is refused"
    content   = <<-EOT
      `$${log.extracted_label.function}` refuses the newest rules file and works by the one of before: deliveries are still taken, and events worked on. `findings` in the log line has every mistake. A new instance takes the newest of the five versions before that has no mistake; where there is none, or where only a secret is missing, it does not start.

      1. Mend the file, `badge-bridge check rules.yaml`, `terraform apply`; do so before each apply. Instances take the mended file within a minute.
      2. Only a secret is missing: `gcloud secrets versions add NAME --project ${var.project} --data-file=-`. Instances look again within six minutes.
      3. It cannot be mended now: `gcloud storage ls --all-versions gs://${module.plan.buckets.rules}/${module.plan.buckets.rules_object}` lists the versions, the oldest first; `gcloud storage cp` from `gs://${module.plan.buckets.rules}/${module.plan.buckets.rules_object}#GENERATION` to the same address without `#GENERATION` restores one. Put the same content into the file that Terraform uploads.
    EOT
  }
}

resource "google_monitoring_alert_policy" "sweep_behind" {
  display_name          = "${var.name}: sweep does not keep up"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels

  conditions {
    display_name = "An event is overdue by more than 10 minutes"

    condition_matched_log {
      filter = "${local.our_lines} jsonPayload.kind=\"sweep\" jsonPayload.overdue_s>=600"
      label_extractors = {
        function = "EXTRACT(resource.labels.service_name)"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: events wait in Firestore"
    content   = <<-EOT
      A run of `$${log.extracted_label.function}` has ended with work left, and an event has been due for more than ten minutes; `overdue_s` in the log line says how many seconds at least. `process` answers a message once the next attempt is stored, so Pub/Sub shows nothing of this.

      1. `jsonPayload.kind="sweep"` in the log: are its `attempts` many, and does `overdue_s` fall? Then it catches up by itself.
      2. Many attempts, and it rises: more events come than `process` and `sweep` take. Raise `functions.process.cpu`, then `functions.process.max_instances`, and apply.
      3. Few attempts: each takes long. `jsonPayload.kind="event"` shows what the portal was asked, and for how many milliseconds (`asked_ms`). A portal at its limits needs `limits` in the rules file, or fewer other applications.
      4. A paused portal is no reason: events that wait for one do not count here.
    EOT
  }
}

resource "google_monitoring_alert_policy" "sweep_missing" {
  display_name          = "${var.name}: sweep does not run"
  combiner              = "OR"
  severity              = "ERROR"
  enabled               = !var.sweep_paused
  notification_channels = local.channels

  conditions {
    display_name = "No sweep has succeeded for 15 minutes"

    condition_absent {
      filter   = "${local.answers["sweep"]} AND metric.labels.response_code_class = \"2xx\""
      duration = "900s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }
  # Absence is only noticed of what was there before, and `sweep` may never have succeeded.
  # (Cloud Monitoring docs, "AlertPolicy.Condition.MetricAbsence")
  conditions {
    display_name = "More than 3 sweeps have failed within 15 minutes"

    condition_threshold {
      filter          = "${local.answers["sweep"]} AND metric.labels.response_code_class != \"2xx\""
      comparison      = "COMPARISON_GT"
      threshold_value = 3
      duration        = "0s"

      aggregations {
        alignment_period     = "900s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: nothing is tried again"
    content   = <<-EOT
      Cloud Scheduler calls `sweep` every minute, and none of these calls has succeeded for a quarter of an hour, or several have failed. New events are worked on; what is due later, or was not told of, waits.

      1. `gcloud scheduler jobs describe ${google_cloud_scheduler_job.sweep.name} --project ${var.project} --location ${google_cloud_scheduler_job.sweep.region}`: its state, and the status of its last attempt.
      2. 401 or 403: its account or its audience has changed; `terraform plan` shows it. 5xx: the log of `${module.plan.functions["sweep"].name}` says why.
    EOT
  }
}

# What Cloud Run turns away reaches no instance, and so is in no count of requests; Cloud Scheduler's own log has it. It
# does not mend itself, so the first line is enough.
resource "google_monitoring_alert_policy" "sweep_refused" {
  display_name          = "${var.name}: sweep may not be called"
  combiner              = "OR"
  severity              = "ERROR"
  enabled               = !var.sweep_paused
  notification_channels = local.channels

  conditions {
    display_name = "Cloud Scheduler was refused"

    condition_matched_log {
      filter = "resource.type=\"cloud_scheduler_job\" resource.labels.job_id=\"${google_cloud_scheduler_job.sweep.name}\" log_id(\"cloudscheduler.googleapis.com/executions\") jsonPayload.status=(\"PERMISSION_DENIED\" OR \"UNAUTHENTICATED\" OR \"NOT_FOUND\")"
      label_extractors = {
        status = "EXTRACT(jsonPayload.status)"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: nothing is tried again"
    content   = <<-EOT
      Cloud Scheduler may not call `sweep`: $${log.extracted_label.status}. New events are worked on; what is due later, or was not told of, waits.

      1. Within some minutes of the first deployment: rights were still spreading. The next calls succeed; `gcloud scheduler jobs describe ${google_cloud_scheduler_job.sweep.name} --project ${var.project} --location ${google_cloud_scheduler_job.sweep.region}` shows the status of the last one.
      2. Otherwise its account, its audience, or the ingress of `sweep` has changed: `terraform plan` shows it, `terraform apply` mends it.
    EOT
  }
}

resource "google_monitoring_alert_policy" "silent" {
  count = var.silent_hours == null ? 0 : 1

  display_name          = "${var.name}: no deliveries"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels

  conditions {
    display_name = "No delivery was accepted for ${var.silent_hours} hours"

    condition_absent {
      filter   = "${local.answers["receive"]} AND metric.labels.response_code_class = \"2xx\""
      duration = "${var.silent_hours * 3600}s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "Badge Bridge: is anybody calling?"
    content   = <<-EOT
      `receive` has accepted nothing for ${var.silent_hours} hours.

      1. Call a number and let it ring out. A badge comes: it was a quiet day; raise `silent_hours`.
      2. None: does the provider still have the address ${module.plan.functions["receive"].url}/hooks/NAME, and what does its own log of webhooks say?
    EOT
  }
}
