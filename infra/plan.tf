data "google_project" "this" {
  project_id = var.project

  depends_on = [google_project_service.projects]
}

locals {
  project_number = data.google_project.this.number

  # Google's own identities in this project.
  pubsub_agent = "serviceAccount:service-${local.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

module "plan" {
  source = "./plan"

  project        = var.project
  project_number = local.project_number
  region         = var.region
  name           = var.name

  uploads_rules = var.rules_file != null
  rules         = var.rules
  functions     = var.functions
  environment   = var.environment

  secrets               = var.secrets
  encryption_key_secret = var.encryption_key_secret

  database           = var.database
  log_level          = var.log_level
  show_phone_numbers = var.show_phone_numbers

  console_members       = var.console_members
  max_delivery_attempts = var.max_delivery_attempts
  static_egress         = var.static_egress
}
