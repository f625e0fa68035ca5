# What may be decided. The rules for values are in plan/variables.tf, where they are tested.

variable "project" {
  description = "Id of the Google Cloud project. It exists, and has a billing account."
  type        = string
}

variable "region" {
  description = "Region of all that runs, such as europe-west1. Choose one near the portal that Cloud Scheduler and Firestore have too."
  type        = string
}

variable "name" {
  description = "What the names of all resources begin with; two deployments in one project have two, and each a state of its own."
  type        = string
  default     = "badge-bridge"
}

variable "source_zip" {
  description = "The zip of functions/ that `make package` writes."
  type        = string
  default     = "../.artifacts/functions.zip"

  validation {
    condition     = fileexists(var.source_zip)
    error_message = "There is no zip of the functions yet; `make package` writes it."
  }
}

variable "runtime" {
  description = "Python of the functions."
  type        = string
  default     = "python313"
}

variable "rules_file" {
  description = "Path of the rules file on this machine. It is uploaded; instances notice a changed one within a minute, and nothing is built or deployed for it. `badge-bridge check --no-secrets` checks it. Write its secrets as sm://NAME. Without it, `rules` says where the file is."
  type        = string
  default     = null

  validation {
    condition     = var.rules_file == null || try(fileexists(var.rules_file), false)
    error_message = "There is no such rules file."
  }
}

variable "rules" {
  description = "Where the functions find the rules file, where it is not uploaded from here: `rules.yaml` for one that `make package RULES_FILE=...` has put into the zip, or gs://BUCKET/OBJECT that they may read (`output service_accounts` names them; `roles/storage.objectViewer`)."
  type        = string
  default     = null
}

variable "secrets" {
  description = "Secrets to make, by the name that the rules file refers to (sm://NAME). `readers` are the functions that may read it: by default all that read the rules file (receive, process, sweep, install). The values are added with gcloud, so that no state holds them. With `protect_data` one that is taken out again is not deleted, and apply says so: `terraform state rm` lets go of it."
  type        = map(object({ readers = optional(set(string)) }))
  default     = {}
}

variable "encryption_key_secret" {
  description = "Name of the secret with ENCRYPTION_KEY, which the tokens of OAuth applications are stored with; it is made too. null: `name` and `-encryption-key`. Empty (\"\") where every portal has a webhook: there is none."
  type        = string
  default     = null
}

variable "environment" {
  description = "Further environment variables of the functions that read the rules file, for `$${NAME}` in it. Nothing secret: write sm://NAME there."
  type        = map(string)
  default     = {}
}

variable "functions" {
  description = "Sizes by function (receive, process, sweep, install, console): cpu, memory, concurrency (requests that one instance has at a time), min_instances (one that is always there costs about as much as an idle instance all month, and spares the cold start), max_instances. What is left out has the default in plan/main.tf."
  type = map(object({
    cpu           = optional(string)
    memory        = optional(string)
    concurrency   = optional(number)
    min_instances = optional(number)
    max_instances = optional(number)
  }))
  default = {}
}

variable "database" {
  description = "Name of the Firestore database. null: `name`, with `-events` where that alone is too short for one."
  type        = string
  default     = null
}

variable "database_location" {
  description = "Location of the database: a region, or eur3 or nam5 for several, which costs about twice as much; it cannot be changed later. null: `region`."
  type        = string
  default     = null
}

variable "protect_data" {
  description = "Whether the database, the secrets with their values and the bucket of the rules file are safe from `terraform destroy`, and the database's last seven days can be read back (point-in-time recovery, billed as stored bytes). Set it to false and apply before tearing down."
  type        = bool
  default     = true
}

variable "log_level" {
  description = "DEBUG, INFO, WARNING or ERROR."
  type        = string
  default     = "INFO"
}

variable "show_phone_numbers" {
  description = "Whether logs have full phone numbers instead of +49*******67."
  type        = bool
  default     = false
}

variable "max_delivery_attempts" {
  description = "How often Pub/Sub pushes a message, 10 s to 600 s apart, before it becomes a dead letter. Refusals for want of a free instance count too; with 20 a backlog has about two hours. The event itself is in Firestore and sweep finds it."
  type        = number
  default     = 20
}

variable "sweep_paused" {
  description = "Stops sweep, for maintenance: nothing is tried again then, and what no message tells of stays undone."
  type        = bool
  default     = false
}

variable "scheduler_region" {
  description = "Region of Cloud Scheduler, where `region` has none."
  type        = string
  default     = null
}

variable "console_members" {
  description = "Who may call the console, such as user:ada@example.com or group:support@example.com. It shows phone numbers."
  type        = set(string)
  default     = []
}

variable "static_egress" {
  description = "Whether portals are called from one address that nobody else uses, which on-premise portals can let in, and by which Bitrix24 counts requests. Costs without traffic about 18 US dollars a month (us-central1): two e2-micro machines of the VPC connector about 12, Cloud NAT at 0.0014 an hour for each of them 2, the address at 0.005 an hour 3.65. Each GiB through the gateway, in and out, costs 0.045; Google's own APIs are asked beside it."
  type        = bool
  default     = false
}

variable "egress_range" {
  description = "With static_egress: the /28 of the connector, in a network of its own."
  type        = string
  default     = "10.8.0.0/28"

  validation {
    condition     = can(cidrhost(var.egress_range, 0)) && endswith(var.egress_range, "/28")
    error_message = "egress_range is a range of IPv4 addresses that ends in /28, such as 10.8.0.0/28."
  }
}

variable "alert_email" {
  description = "Address that alerts are mailed to."
  type        = string
  default     = null
}

variable "notification_channels" {
  description = "Further notification channels of Cloud Monitoring: projects/PROJECT/notificationChannels/ID."
  type        = list(string)
  default     = []
}

variable "refused_per_5_minutes" {
  description = "So many deliveries refused with 401 within five minutes raise an alert."
  type        = number
  default     = 50
}

variable "silent_hours" {
  description = "So many hours without an accepted delivery raise an alert; null: none, since nights and Sundays are silent."
  type        = number
  default     = null

  validation {
    # Cloud Monitoring docs, "AlertPolicy.Condition.MetricAbsence": 23.5 hours at most.
    condition     = var.silent_hours == null || try(var.silent_hours >= 1 && var.silent_hours <= 23, false)
    error_message = "silent_hours is from 1 to 23, or null."
  }
}
