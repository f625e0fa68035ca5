# A message wakes process; the work itself is in Firestore, so a message that is lost costs a minute (sweep).

resource "google_pubsub_topic" "events" {
  # checkov:skip=CKV_GCP_83: a message has the key of an event and nothing else; Google's own key encrypts it
  name = module.plan.topic.name

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic" "dead" {
  # checkov:skip=CKV_GCP_83: see the topic above
  name = module.plan.topic.dead

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this]
}

resource "google_pubsub_subscription" "push" {
  name  = module.plan.topic.subscription
  topic = google_pubsub_topic.events.id

  ack_deadline_seconds       = module.plan.push.ack_deadline
  message_retention_duration = "604800s" # 7 days, the default and the longest without a price for acknowledged ones

  push_config {
    push_endpoint = module.plan.functions["process"].url

    oidc_token {
      service_account_email = google_service_account.this["push"].email
      audience              = module.plan.functions["process"].url
    }
  }

  retry_policy {
    minimum_backoff = module.plan.push.minimum_backoff
    maximum_backoff = module.plan.push.maximum_backoff
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = module.plan.push.max_delivery_attempts
  }

  # Never: otherwise a subscription that is idle for 31 days is deleted.
  expiration_policy {
    ttl = ""
  }

  depends_on = [
    google_cloud_run_service_iam_member.own,
    google_pubsub_topic_iam_member.dead_letters,
  ]
}

# Without it, dead letters would be gone the moment they arrive.
resource "google_pubsub_subscription" "dead" {
  name  = module.plan.topic.dead_subscription
  topic = google_pubsub_topic.dead.id

  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  retry_policy {
    minimum_backoff = module.plan.push.minimum_backoff
    maximum_backoff = module.plan.push.maximum_backoff
  }

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = toset(module.plan.publishes)

  topic  = google_pubsub_topic.events.name
  role   = "roles/pubsub.publisher"
  member = local.members[each.key]
}

# Pub/Sub moves dead letters as its own agent: it publishes them there and acknowledges them here.
# (Pub/Sub docs, "Dead-letter topics")
resource "google_pubsub_topic_iam_member" "dead_letters" {
  topic  = google_pubsub_topic.dead.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  subscription = google_pubsub_subscription.push.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
