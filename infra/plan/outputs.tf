output "functions" {
  description = "Everything about each function, by its entry point."
  value = {
    for name, size in local.sizes : name => merge(size, {
      name        = "${var.name}-${name}"
      url         = local.urls[name]
      account     = local.accounts[name]
      environment = local.environment[name]
      ingress     = contains(local.internal, name) ? "ALLOW_INTERNAL_ONLY" : "ALLOW_ALL"
      egress      = var.static_egress && contains(local.calls_out, name)
    })
  }

  precondition {
    # Cloud Run docs, "Set maximum concurrent requests": more than one request needs a whole CPU.
    condition     = alltrue([for size in values(local.sizes) : size.concurrency == 1 || tonumber(size.cpu) >= 1])
    error_message = "A function with less than one CPU has concurrency = 1."
  }
  precondition {
    # Cloud Run docs, "Configure CPU limits", minimum memory, and "Configure memory limits", minimum CPU.
    condition = alltrue([
      for name, size in local.sizes :
      local.mebibytes[name] >= lookup({ "4" = 2048, "8" = 4096 }, size.cpu, 128)
    ])
    error_message = "Memory is too little for the CPU: at least 2Gi with 4 CPUs, 4Gi with 8, 128Mi always."
  }
  precondition {
    condition = alltrue([
      for name, size in local.sizes :
      tonumber(size.cpu) >= (
        local.mebibytes[name] > 16384 ? 8 : local.mebibytes[name] > 8192 ? 4 :
        local.mebibytes[name] > 4096 ? 2 : local.mebibytes[name] > 1024 ? 1 : local.mebibytes[name] > 512 ? 0.5 : 0
      )
    ])
    error_message = "CPU is too little for the memory: at least 0.5 above 512Mi, 1 above 1Gi, 2 above 4Gi, 4 above 8Gi, 8 above 16Gi."
  }
  precondition {
    condition     = alltrue([for size in values(local.mebibytes) : size <= 32768])
    error_message = "A function has 32Gi of memory at most."
  }
  precondition {
    condition     = alltrue([for size in values(local.sizes) : size.min_instances <= size.max_instances])
    error_message = "min_instances is above max_instances."
  }
}

output "accounts" {
  description = "Ids of service accounts, by what they are for."
  value       = local.accounts
}

output "public" {
  description = "Functions that everybody may call."
  value       = local.public
}

output "publishes" {
  description = "Functions that publish."
  value       = local.publishes
}

output "reads_rules" {
  description = "Functions that read the rules file."
  value       = local.reads_rules
}

output "reads_secrets" {
  description = "Functions that read the secrets of the rules file, unless a secret says otherwise, and know what else it refers to."
  value       = local.reads_secrets
}

output "store_roles" {
  description = "What each function may do in Firestore."
  value = {
    for name in keys(local.defaults) :
    name => contains(local.reads_store, name) ? "roles/datastore.viewer" : "roles/datastore.user"
  }
}

output "invokers" {
  description = "Which of our own identities calls which function."
  value       = local.invoker
}

output "console_members" {
  description = "Who may call the console."
  value       = var.console_members
}

output "database" {
  description = "Name of the Firestore database."
  value       = local.database
}

output "topic" {
  description = "The topic, its subscription, and the same for dead letters."
  value = {
    name              = local.topic
    subscription      = "${local.topic}-push"
    dead              = "${local.topic}-dead"
    dead_subscription = "${local.topic}-dead"
  }
}

output "push" {
  description = "How Pub/Sub calls process."
  value = {
    ack_deadline          = local.ack_deadline
    minimum_backoff       = "${local.backoff.minimum}s"
    maximum_backoff       = "${local.backoff.maximum}s"
    max_delivery_attempts = var.max_delivery_attempts
  }

  precondition {
    condition     = local.ack_deadline > local.sizes.process.timeout && local.ack_deadline <= 600
    error_message = "The ack deadline must be above the timeout of process, and 600 s at most."
  }
}

output "sweeping" {
  description = "How Cloud Scheduler calls sweep."
  value       = { attempt_deadline = "${local.attempt_deadline}s" }

  precondition {
    condition     = local.attempt_deadline > local.sizes.sweep.timeout
    error_message = "The attempt deadline must be above the timeout of sweep."
  }
}

output "secrets" {
  description = "By name: the functions that may read it."
  value       = local.secrets
}

output "secret_readers" {
  description = "One entry for each function and secret."
  value = merge([
    for name, readers in local.secrets : { for reader in readers : "${name}/${reader}" => { secret = name, reader = reader } }
  ]...)
}

output "buckets" {
  description = "Names of the buckets, and of the rules file in its own; null where none is uploaded."
  value = {
    source       = "${var.project}-${var.name}-source"
    rules        = local.rules_bucket
    rules_object = local.rules_object
  }
}
