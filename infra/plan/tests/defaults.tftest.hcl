# What somebody gets who sets only what must be set.

variables {
  project               = "acme-badges-1"
  project_number        = "123456789012"
  region                = "europe-west1"
  name                  = "badge-bridge"
  uploads_rules         = true
  rules                 = null
  functions             = {}
  database              = "badge-bridge"
  log_level             = "INFO"
  show_phone_numbers    = false
  secrets               = { twilio = {}, shop = { readers = ["receive"] } }
  encryption_key_secret = "encryption-key"
  environment           = { SHOP_NAME = "acme" }
  console_members       = ["user:ada@example.com"]
  max_delivery_attempts = 20
  static_egress         = false
}

run "names_and_addresses" {
  command = plan

  assert {
    condition     = output.functions["receive"].url == "https://badge-bridge-receive-123456789012.europe-west1.run.app"
    error_message = "receive has another address: ${output.functions["receive"].url}"
  }
  assert {
    condition     = length(distinct([for function in values(output.functions) : function.account])) == 5
    error_message = "Functions share an account."
  }
  assert {
    condition     = alltrue([for id in values(output.accounts) : length(id) >= 6 && length(id) <= 30])
    error_message = "The id of an account is too short or too long."
  }
}

run "who_may_call" {
  command = plan

  assert {
    condition     = toset(output.public) == toset(["receive", "install"])
    error_message = "Others than receive and install are public."
  }
  assert {
    condition     = toset([for name, function in output.functions : name if function.ingress == "ALLOW_INTERNAL_ONLY"]) == toset(["process", "sweep"])
    error_message = "process and sweep are reached from inside only."
  }
  assert {
    condition     = keys(output.invokers) == ["process", "sweep"]
    error_message = "Other functions than process and sweep are called by our own identities."
  }
  assert {
    condition = alltrue([
      for name in ["process", "sweep"] : (
        output.functions[name].environment["INVOKER_AUDIENCE"] == output.functions[name].url &&
        output.functions[name].environment["INVOKERS"] == "badge-bridge-${output.invokers[name]}@acme-badges-1.iam.gserviceaccount.com"
      )
    ])
    error_message = "process and sweep do not check whom they are called by."
  }
  assert {
    condition     = alltrue([for name in ["receive", "install", "console"] : !contains(keys(output.functions[name].environment), "INVOKERS")])
    error_message = "A function that people or providers call asks for an identity of ours."
  }
}

run "environments" {
  command = plan

  assert {
    condition = alltrue([
      for function in values(output.functions) : (
        function.environment["STATE"] == "firestore://acme-badges-1/badge-bridge" &&
        function.environment["DISPATCH"] == "pubsub://acme-badges-1/${output.topic.name}" &&
        function.environment["GOOGLE_CLOUD_PROJECT"] == "acme-badges-1"
      )
    ])
    error_message = "A function does not know the store, the topic or the project."
  }
  assert {
    condition = alltrue([
      for name in output.reads_rules :
      output.functions[name].environment["RULES"] == "gs://acme-badges-1-badge-bridge-rules/rules.yaml"
    ])
    error_message = "A function that reads the rules file does not know where it is."
  }
  assert {
    condition = alltrue([
      for name in output.reads_secrets : (
        output.functions[name].environment["ENCRYPTION_KEY"] == "sm://encryption-key" &&
        output.functions[name].environment["SHOP_NAME"] == "acme"
      )
    ])
    error_message = "A function that reads secrets lacks what the rules file refers to."
  }
  assert {
    condition     = length(setintersection(keys(output.functions["console"].environment), ["ENCRYPTION_KEY", "SHOP_NAME"])) == 0
    error_message = "The console knows more than it needs."
  }
  assert {
    condition     = output.functions["process"].environment["CONCURRENCY"] == tostring(output.functions["process"].concurrency)
    error_message = "process takes another number of requests than it works on."
  }
}

run "who_may_read_what" {
  command = plan

  assert {
    condition     = toset(keys(output.secret_readers)) == toset(concat([for reader in output.reads_secrets : "encryption-key/${reader}"], [for reader in output.reads_secrets : "twilio/${reader}"], ["shop/receive"]))
    error_message = "Other functions may read secrets than those that need all of them, or than those that are named."
  }
  assert {
    condition     = output.store_roles["console"] == "roles/datastore.viewer" && output.store_roles["receive"] == "roles/datastore.user"
    error_message = "The console may write, or receive may not."
  }
}

run "one_instance_paces_all_portals" {
  command = plan

  assert {
    condition     = output.functions["process"].max_instances == 1
    error_message = "process has several instances by default."
  }
}

run "sizes_that_cloud_run_takes" {
  command = plan

  variables {
    functions = {
      receive = { cpu = "2" }
      process = { cpu = "4", memory = "2Gi" }
      sweep   = { cpu = "8", memory = "4096Mi" }
      console = { cpu = "0.08", memory = "128Mi", concurrency = 1 }
    }
  }
  assert {
    condition     = output.functions["process"].cpu == "4" && output.functions["process"].memory == "2Gi"
    error_message = "process has another size than was asked for."
  }
}

run "only_functions_that_call_portals_leave_by_the_static_address" {
  command = plan

  variables {
    static_egress = true
  }
  assert {
    condition     = toset([for name, function in output.functions : name if function.egress]) == toset(["process", "sweep", "install"])
    error_message = "Other functions leave by the static address than those that call portals."
  }
}

run "two_deployments_in_one_project" {
  command = plan

  variables {
    name                  = "second"
    database              = null
    encryption_key_secret = null
  }
  assert {
    condition     = output.database == "second" && output.functions["receive"].environment["STATE"] == "firestore://acme-badges-1/second"
    error_message = "The database is not the deployment's own: ${output.database}"
  }
  assert {
    condition     = output.functions["receive"].environment["ENCRYPTION_KEY"] == "sm://second-encryption-key" && contains(keys(output.secrets), "second-encryption-key")
    error_message = "The key is not the deployment's own."
  }
}

run "name_too_short_for_a_database" {
  command = plan

  variables {
    name     = "bb"
    database = null
  }
  assert {
    condition     = output.database == "bb-events"
    error_message = "The database has another name: ${output.database}"
  }
}

run "rules_in_the_zip" {
  command = plan

  variables {
    uploads_rules         = false
    rules                 = "rules.yaml"
    encryption_key_secret = ""
    functions             = { receive = { memory = "1Gi" } }
  }
  assert {
    condition     = output.functions["receive"].environment["RULES"] == "rules.yaml" && output.buckets.rules_object == null
    error_message = "The rules file in the zip is not used."
  }
  assert {
    condition     = !contains(keys(output.functions["receive"].environment), "ENCRYPTION_KEY")
    error_message = "A setting that is left out is set."
  }
  assert {
    condition     = output.functions["receive"].memory == "1Gi" && output.functions["receive"].cpu == "1"
    error_message = "A size is not what was asked for, or its others are not the defaults."
  }
}
