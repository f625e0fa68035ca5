locals {
  logged = { for name in concat(keys(local.counted), ["waited"]) : name => "resource.type=\"cloud_run_revision\" metric.type=\"logging.googleapis.com/user/${var.name}-${name}\"" }
  pushes = "resource.type=\"pubsub_subscription\" resource.labels.subscription_id=\"${module.plan.topic.subscription}\""
  any    = "resource.type=\"cloud_run_revision\" resource.labels.service_name=starts_with(\"${var.name}-\")"

  # One line per tile: what it shows, of what, and by which label it is split.
  tiles = [
    { title = "Deliveries, by answer", filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${module.plan.functions["receive"].name}\" metric.type=\"run.googleapis.com/request_count\"", align = "ALIGN_RATE", reduce = "REDUCE_SUM", by = ["metric.label.response_code"] },
    { title = "receive: 95th percentile of its answers (ms)", filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${module.plan.functions["receive"].name}\" metric.type=\"run.googleapis.com/request_latencies\"", align = "ALIGN_PERCENTILE_95", reduce = "REDUCE_MAX", by = [] },
    { title = "From delivery to badge: 95th percentile (ms)", filter = local.logged.waited, align = "ALIGN_PERCENTILE_95", reduce = "REDUCE_MAX", by = [] },
    { title = "Events that ended, by how", filter = local.logged.ended, align = "ALIGN_RATE", reduce = "REDUCE_SUM", by = ["metric.label.state"] },
    { title = "Dead events, by source", filter = local.logged.dead, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.source"] },
    { title = "Attempts at paused portals", filter = local.logged.paused, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.lane"] },
    { title = "Refused deliveries, by source", filter = local.logged.refused, align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.source"] },
    { title = "Pushes, by answer", filter = "${local.pushes} metric.type=\"pubsub.googleapis.com/subscription/push_request_count\"", align = "ALIGN_RATE", reduce = "REDUCE_SUM", by = ["metric.label.response_class"] },
    { title = "Age of the oldest message (s)", filter = "${local.pushes} metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\"", align = "ALIGN_MAX", reduce = "REDUCE_MAX", by = [] },
    { title = "Dead letters", filter = "${local.pushes} metric.type=\"pubsub.googleapis.com/subscription/dead_letter_message_count\"", align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = [] },
    { title = "Instances, by function", filter = "${local.any} metric.type=\"run.googleapis.com/container/instance_count\"", align = "ALIGN_MAX", reduce = "REDUCE_SUM", by = ["resource.label.service_name"] },
    { title = "CPU, by function (95th percentile)", filter = "${local.any} metric.type=\"run.googleapis.com/container/cpu/utilizations\"", align = "ALIGN_PERCENTILE_95", reduce = "REDUCE_MAX", by = ["resource.label.service_name"] },
    { title = "Memory, by function (95th percentile)", filter = "${local.any} metric.type=\"run.googleapis.com/container/memory/utilizations\"", align = "ALIGN_PERCENTILE_95", reduce = "REDUCE_MAX", by = ["resource.label.service_name"] },
    { title = "sweep, by answer", filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${module.plan.functions["sweep"].name}\" metric.type=\"run.googleapis.com/request_count\"", align = "ALIGN_DELTA", reduce = "REDUCE_SUM", by = ["metric.label.response_code"] },
  ]
}

resource "google_monitoring_dashboard" "this" {
  dashboard_json = jsonencode({
    displayName = "Badge Bridge: ${var.name}"
    mosaicLayout = {
      columns = 48
      tiles = [
        for index, tile in local.tiles : {
          xPos   = (index % 2) * 24
          yPos   = floor(index / 2) * 14
          width  = 24
          height = 14
          widget = {
            title = tile.title
            xyChart = {
              dataSets = [{
                plotType   = "LINE"
                targetAxis = "Y1"
                timeSeriesQuery = {
                  timeSeriesFilter = {
                    filter = tile.filter
                    aggregation = {
                      alignmentPeriod    = "60s"
                      perSeriesAligner   = tile.align
                      crossSeriesReducer = tile.reduce
                      groupByFields      = tile.by
                    }
                  }
                }
              }]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_logging_metric.counted, google_logging_metric.waited]
}
