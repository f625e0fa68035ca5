# What is decided, without a provider: names, sizes, who may do what, and the environment of each function. The root
# module makes resources of it; the tests beside this file run offline.

terraform {
  required_version = ">= 1.9"
}

locals {
  # Timeouts are above the longest request: process takes 15 s of waiting and one lease of 90 s, sweep 45 s and a lease.
  # tests/infra compares them with the code.
  defaults = {
    receive = { cpu = "1", memory = "512Mi", concurrency = 80, min_instances = 0, max_instances = 20, timeout = 30 }
    process = { cpu = "1", memory = "1Gi", concurrency = 256, min_instances = 0, max_instances = 1, timeout = 120 }
    # One at a time: where a sweep lasts longer than a minute, Cloud Scheduler begins the next one when it has ended, and
    # nobody else calls it. (Cloud Scheduler docs, "Job", schedule)
    sweep   = { cpu = "1", memory = "1Gi", concurrency = 1, min_instances = 0, max_instances = 1, timeout = 150 }
    install = { cpu = "1", memory = "512Mi", concurrency = 20, min_instances = 0, max_instances = 2, timeout = 60 }
    console = { cpu = "1", memory = "512Mi", concurrency = 20, min_instances = 0, max_instances = 2, timeout = 30 }
  }

  # Providers and portals sign what they send, and cannot have an identity of Google's. Everybody else has one.
  public = ["receive", "install"]

  # Only Pub/Sub and Cloud Scheduler of this project call these two; both count as internal.
  # (Cloud Run docs, "Restrict network ingress")
  internal = ["process", "sweep"]

  # The console only reads what is stored, and the rules without their secrets.
  reads_rules   = ["receive", "process", "sweep", "install", "console"]
  reads_secrets = ["receive", "process", "sweep", "install"]
  reads_store   = ["console"]
  publishes     = ["receive", "process"]
  calls_out     = ["process", "sweep", "install"]

  sizes = {
    for name, size in local.defaults : name => {
      cpu           = coalesce(try(var.functions[name].cpu, null), size.cpu)
      memory        = coalesce(try(var.functions[name].memory, null), size.memory)
      concurrency   = coalesce(try(var.functions[name].concurrency, null), size.concurrency)
      min_instances = coalesce(try(var.functions[name].min_instances, null), size.min_instances)
      max_instances = coalesce(try(var.functions[name].max_instances, null), size.max_instances)
      timeout       = size.timeout
    }
  }

  mebibytes = {
    for name, size in local.sizes : name => tonumber(regex("^[0-9]+", size.memory)) * (endswith(size.memory, "Gi") ? 1024 : 1)
  }

  accounts = merge(
    { for name in keys(local.defaults) : name => "${var.name}-${name}" },
    { build = "${var.name}-build", push = "${var.name}-push", scheduler = "${var.name}-scheduler" },
  )
  emails = { for name, id in local.accounts : name => "${id}@${var.project}.iam.gserviceaccount.com" }

  # Known before the functions are: Cloud Run gives a service this address beside the one with a hash, and always takes
  # it as the audience of a token. So a function can be told its audience without knowing itself.
  # (Cloud Run docs, "Invoke with an HTTPS request" and "Custom audiences")
  urls = { for name in keys(local.defaults) : name => "https://${var.name}-${name}-${var.project_number}.${var.region}.run.app" }

  # Made from the name, so that two deployments in one project share neither events nor the key of their tokens. The name
  # of a database has 4 characters at least.
  database       = var.database != null ? var.database : length(var.name) >= 4 ? var.name : "${var.name}-events"
  encryption_key = var.encryption_key_secret != null ? var.encryption_key_secret : "${var.name}-encryption-key"

  topic        = var.name
  rules_bucket = "${var.project}-${var.name}-rules"
  # One name for ever: instances look once a minute whether its content has changed, and follow. Were the name or a hash
  # of it in their environment, new rules would build and deploy every function again.
  rules_object = var.uploads_rules ? "rules.yaml" : null

  invoker = { process = "push", sweep = "scheduler" }

  environment = {
    for name, size in local.sizes : name => merge(
      {
        STATE                = "firestore://${var.project}/${local.database}"
        DISPATCH             = "pubsub://${var.project}/${local.topic}"
        LOG_FORMAT           = "gcp"
        LOG_LEVEL            = var.log_level
        SHOW_PHONE_NUMBERS   = var.show_phone_numbers ? "yes" : "no"
        GOOGLE_CLOUD_PROJECT = var.project
      },
      # As many attempts at a time as there may be messages: one that waits for room holds a request for nothing.
      # A sweep works on as many by itself.
      contains(local.internal, name) ? { CONCURRENCY = tostring(local.sizes.process.concurrency) } : {},
      contains(local.reads_secrets, name) ? merge(
        var.environment,
        local.encryption_key == "" ? {} : { ENCRYPTION_KEY = "sm://${local.encryption_key}" },
      ) : {},
      contains(local.reads_rules, name) ? {
        RULES = var.uploads_rules ? "gs://${local.rules_bucket}/${local.rules_object}" : var.rules
      } : {},
      contains(keys(local.invoker), name) ? {
        INVOKERS         = local.emails[local.invoker[name]]
        INVOKER_AUDIENCE = local.urls[name]
      } : {},
    )
  }

  secrets = {
    for name, secret in merge(
      local.encryption_key == "" ? {} : { (local.encryption_key) = { readers = null } },
      var.secrets,
    ) : name => toset(secret.readers == null ? local.reads_secrets : secret.readers)
  }

  # Seconds, all three: above the function's own timeout, so that no second attempt of Pub/Sub or Scheduler begins
  # while the first may still be at work.
  ack_deadline     = 180
  attempt_deadline = 180
  backoff          = { minimum = 10, maximum = 600 }
}
