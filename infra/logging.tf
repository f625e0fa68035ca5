# Numbers from the lines that the functions write (README, "The log"). A line says what it is in `kind`.

locals {
  # Lines of this deployment only.
  our_lines = join(" ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.location=\"${var.region}\"",
    "resource.labels.service_name=(${join(" OR ", [for function in values(module.plan.functions) : "\"${function.name}\""])})",
  ])

  # Floods of refused deliveries are told in part; how many lines were left out is in one of the kind `refused`, which comes
  # with the next refusal after the flood, and never where the instance is gone by then. The alert counts answers instead,
  # which all count.
  counted = {
    refused = {
      filter      = "jsonPayload.kind=\"delivery\" jsonPayload.result=\"refused\" jsonPayload.status=401"
      description = "Deliveries that were refused for their signature or token, by source."
      labels      = { source = "EXTRACT(jsonPayload.source)" }
    }
    dead = {
      filter      = "jsonPayload.kind=\"event\" jsonPayload.state=\"dead\""
      description = "Events that were given up, by source."
      labels      = { source = "EXTRACT(jsonPayload.source)" }
    }
    paused = {
      filter      = "jsonPayload.kind=\"event\" jsonPayload.state=\"waiting\" jsonPayload.lane:*"
      description = "Attempts that ended because a portal, or one of its methods, is paused."
      labels      = { lane = "EXTRACT(jsonPayload.lane)" }
    }
    ended = {
      filter      = "jsonPayload.kind=\"event\" jsonPayload.state=(\"done\" OR \"ignored\" OR \"joined\" OR \"dead\")"
      description = "Events that have ended, by how and by source."
      labels      = { state = "EXTRACT(jsonPayload.state)", source = "EXTRACT(jsonPayload.source)" }
    }
  }
}

resource "google_logging_metric" "counted" {
  for_each = local.counted

  name        = "${var.name}-${each.key}"
  description = each.value.description
  filter      = "${local.our_lines} ${each.value.filter}"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  label_extractors = each.value.labels

  depends_on = [google_project_service.this]
}

# What users feel: from the delivery to the attempt that ended it.
resource "google_logging_metric" "waited" {
  name        = "${var.name}-waited"
  description = "Milliseconds from receiving an event to the attempt that did what the rules say."
  filter      = "${local.our_lines} jsonPayload.kind=\"event\" jsonPayload.state=\"done\""

  value_extractor = "EXTRACT(jsonPayload.waited_ms)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "ms"
  }

  bucket_options {
    exponential_buckets {
      num_finite_buckets = 32
      growth_factor      = 2
      scale              = 1
    }
  }

  depends_on = [google_project_service.this]
}
