output "hooks" {
  description = "Where providers send to: this and the name of the source."
  value       = "${module.plan.functions["receive"].url}/hooks/"
}

output "install_url" {
  description = "Handler and installation path of the local application in Bitrix24; `install_url` of the portal in the rules file."
  value       = "${module.plan.functions["install"].url}/install"
}

output "console_url" {
  description = "The console; its callers bring an identity token of a member."
  value       = "${module.plan.functions["console"].url}/console"
}

output "state" {
  description = "The setting STATE, for badge-bridge on an operator's machine."
  value       = module.plan.functions["receive"].environment["STATE"]
}

output "secrets" {
  description = "Secrets that want a version: gcloud secrets versions add NAME --data-file=-"
  value       = sort(keys(module.plan.secrets))
}

output "egress_address" {
  description = "The address that portals are called from; null without static_egress."
  value       = one(google_compute_address.egress[*].address)
}

output "dead_letters" {
  description = "The subscription with dead letters."
  value       = google_pubsub_subscription.dead.name
}

output "service_accounts" {
  description = "By function, the e-mail of its service account: for rights on what is not made here, such as a bucket of somebody else's that `rules` names."
  value       = { for name in keys(module.plan.functions) : name => google_service_account.this[name].email }
}
