resource "google_firestore_database" "this" {
  name        = module.plan.database
  location_id = coalesce(var.database_location, var.region)
  type        = "FIRESTORE_NATIVE"

  # Optimistic: who holds what is decided by leases, and two that want the same document are rare.
  concurrency_mode                  = "OPTIMISTIC"
  delete_protection_state           = var.protect_data ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.protect_data ? "ABANDON" : "DELETE"
  point_in_time_recovery_enablement = var.protect_data ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"

  depends_on = [google_project_service.this]
}

locals {
  # One per query of the store: first what is equal to something, then the order (tests/infra compares them with what
  # the store asks). Firestore puts the document's name last by itself.
  indexes = {
    events-waiting   = { collection = "events", fields = ["lane", "shard", "state", "wake_at", "received_at", "key"] }
    events-working   = { collection = "events", fields = ["shard", "state", "leased_until"] }
    events-newest    = { collection = "events", fields = ["shard", "received_at desc", "key desc"] }
    events-by-state  = { collection = "events", fields = ["shard", "state", "received_at desc", "key desc"] }
    events-by-source = { collection = "events", fields = ["shard", "source", "received_at desc", "key desc"] }
    events-by-type   = { collection = "events", fields = ["shard", "type", "received_at desc", "key desc"] }
    events-by-join   = { collection = "events", fields = ["joins contains", "time", "key"] }
    events-customer  = { collection = "events", fields = ["joins contains", "received_at desc", "key desc"] }
    events-found     = { collection = "events", fields = ["shard", "found contains", "received_at desc", "key desc"] }
    events-ended     = { collection = "events", fields = ["shard", "settled_at"] }
    attachments-open = { collection = "attachments", fields = ["join", "open", "time"] }
    attachments-card = { collection = "attachments", fields = ["owner_id", "owner_type", "portal", "put", "activity desc"] }
    attachments-left = { collection = "attachments", fields = ["left", "closed_at"] }
    attachments-put  = { collection = "attachments", fields = ["put", "portal", "badge", "time desc"] }
  }

  # Fields that no query asks for by themselves, and whose index would hurt: long texts, what many events have alike, and times and keys, which grow
  # at one end, so that their index takes 500 writes a second and no more. (Firestore docs, "Best practices")
  unindexed = {
    events      = ["due", "event", "found", "history", "key", "leased_until", "received_at", "settled_at", "time", "wake_at"]
    parts       = ["bytes"]
    attachments = ["closed_at", "content", "sent_at", "time"]
    buckets     = ["at"]
    holds       = ["until"]
    notes       = ["text"]
  }
}

resource "google_firestore_index" "this" {
  for_each = local.indexes

  database   = google_firestore_database.this.name
  collection = each.value.collection

  dynamic "fields" {
    for_each = each.value.fields

    content {
      field_path   = split(" ", fields.value)[0]
      order        = endswith(fields.value, " contains") ? null : endswith(fields.value, " desc") ? "DESCENDING" : "ASCENDING"
      array_config = endswith(fields.value, " contains") ? "CONTAINS" : null
    }
  }
}

resource "google_firestore_field" "unindexed" {
  for_each = merge([
    for collection, fields in local.unindexed : { for field in fields : "${collection}.${field}" => { collection = collection, field = field } }
  ]...)

  database   = google_firestore_database.this.name
  collection = each.value.collection
  field      = each.value.field

  # Empty: no index.
  index_config {}
}
