variable "project" {
  description = "Id of the Google Cloud project."
  type        = string
  nullable    = false

  validation {
    # Resource Manager docs, "Creating projects". Projects of a domain ("example.com:name") are left out: the addresses
    # of their service accounts are written in another way.
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "project is the id of a project, such as acme-badges-123: 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "Number of the same project; the functions' addresses have it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{6,15}$", var.project_number))
    error_message = "project_number is the number that Google gave the project."
  }
}

variable "region" {
  description = "Region of all that runs."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is one region, such as europe-west1."
  }
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  nullable    = false

  validation {
    # The longest name of a service account, NAME-scheduler, may have 30 characters. The names of buckets and the first
    # label of an address (63 at most) are then short enough too.
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])$", var.name))
    error_message = "name has 2 to 20 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "uploads_rules" {
  description = "Whether the rules file is uploaded; else `rules` says where it is."
  type        = bool
  nullable    = false
}

variable "rules" {
  description = "Setting RULES as it is: the path of a file in the zip, or gs://BUCKET/OBJECT; null where a file is uploaded."
  type        = string

  validation {
    condition     = (var.rules == null) == var.uploads_rules
    error_message = "Set either rules_file, a file on this machine that is uploaded, or rules, where the functions find it; not both."
  }
}

variable "functions" {
  description = "Sizes of functions; what is left out has its default."
  type = map(object({
    cpu           = optional(string)
    memory        = optional(string)
    concurrency   = optional(number)
    min_instances = optional(number)
    max_instances = optional(number)
  }))
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.functions), ["receive", "process", "sweep", "install", "console"])) == 0
    error_message = "functions has the keys receive, process, sweep, install and console."
  }
  validation {
    condition     = alltrue([for size in values(var.functions) : size.memory == null || can(regex("^[1-9][0-9]*(Mi|Gi)$", size.memory))])
    error_message = "memory is written as 512Mi or 1Gi."
  }
  validation {
    condition     = alltrue([for size in values(var.functions) : size.cpu == null || can(regex("^([1248]|0?\\.[0-9]+)$", size.cpu))])
    error_message = "cpu is 1, 2, 4, 8 or a fraction such as 0.5."
  }
  validation {
    # Cloud Run docs, "Configure CPU limits".
    condition     = alltrue([for size in values(var.functions) : size.cpu == null || try(tonumber(size.cpu) >= 0.08, true)])
    error_message = "cpu is 0.08 at least."
  }
  validation {
    condition = alltrue([
      for size in values(var.functions) :
      size.concurrency == null || try(size.concurrency >= 1 && size.concurrency <= 1000, false)
    ])
    error_message = "concurrency is how many requests one instance has at a time, from 1 to 1000."
  }
  validation {
    condition = alltrue([
      for size in values(var.functions) : (
        (size.min_instances == null || try(size.min_instances >= 0, false)) &&
        (size.max_instances == null || try(size.max_instances >= 1, false))
      )
    ])
    error_message = "min_instances is 0 or more, max_instances 1 or more."
  }
}

variable "database" {
  description = "Name of the Firestore database; null: made from `name`."
  type        = string

  validation {
    # Firestore docs, "Manage databases": 4 to 63 characters. Not `(default)`, which a project may have for others already.
    condition     = var.database == null || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.database))
    error_message = "database has 4 to 63 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "log_level" {
  description = "Setting LOG_LEVEL."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level is DEBUG, INFO, WARNING or ERROR."
  }
}

variable "show_phone_numbers" {
  description = "Setting SHOW_PHONE_NUMBERS."
  type        = bool
  nullable    = false
}

variable "secrets" {
  description = "Secrets by name, each with the functions that may read it."
  type        = map(object({ readers = optional(set(string)) }))
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[A-Za-z0-9_-]{1,255}$", name))])
    error_message = "The name of a secret has up to 255 letters, digits, hyphens and underscores."
  }
  validation {
    condition = alltrue([
      for secret in values(var.secrets) :
      secret.readers == null || length(setsubtract(coalesce(secret.readers, []), ["receive", "process", "sweep", "install"])) == 0
    ])
    error_message = "readers may be receive, process, sweep and install; console reads no secret."
  }
}

variable "encryption_key_secret" {
  description = "Name of the secret with ENCRYPTION_KEY; null: made from `name`; empty where no portal has an OAuth application."
  type        = string

  validation {
    condition     = var.encryption_key_secret == null || can(regex("^[A-Za-z0-9_-]{0,255}$", var.encryption_key_secret))
    error_message = "The name of a secret has up to 255 letters, digits, hyphens and underscores."
  }
}

variable "environment" {
  description = "Further environment variables of the functions that read the rules file."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name))])
    error_message = "The name of an environment variable has letters, digits and underscores."
  }
  validation {
    condition = length(setintersection(keys(var.environment), [
      "CONCURRENCY", "DISPATCH", "ENCRYPTION_KEY", "GOOGLE_CLOUD_PROJECT", "INVOKERS", "INVOKER_AUDIENCE", "LOG_FORMAT",
      "LOG_LEVEL", "RULES", "SHOW_PHONE_NUMBERS", "STATE",
    ])) == 0
    error_message = "environment is for names of your own; settings of the bridge have variables of Terraform."
  }
}

variable "console_members" {
  description = "Who may call the console."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for member in var.console_members : can(regex("^(user|group|serviceAccount|domain):[^:]+$", member))])
    error_message = "console_members are user:, group:, serviceAccount: or domain: and an address; the console shows phone numbers, so it is never public."
  }
}

variable "max_delivery_attempts" {
  description = "How often Pub/Sub pushes a message before it becomes a dead letter."
  type        = number
  nullable    = false

  validation {
    # Pub/Sub docs, "Handle message failures".
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100 && floor(var.max_delivery_attempts) == var.max_delivery_attempts
    error_message = "max_delivery_attempts is a whole number from 5 to 100."
  }
}

variable "static_egress" {
  description = "Whether portals are called from one address."
  type        = bool
  nullable    = false
}
