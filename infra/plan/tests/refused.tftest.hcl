# What is refused or warned of, each with the variable or check that says so.

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
  secrets               = {}
  encryption_key_secret = ""
  environment           = {}
  console_members       = []
  max_delivery_attempts = 20
  static_egress         = false
}

run "project_that_is_a_name" {
  command = plan

  variables {
    project = "Acme Badges"
  }
  expect_failures = [var.project]
}

run "project_number_that_is_an_id" {
  command = plan

  variables {
    project_number = "acme-badges-1"
  }
  expect_failures = [var.project_number]
}

run "region_that_is_a_zone" {
  command = plan

  variables {
    region = "europe-west1-b"
  }
  expect_failures = [var.region]
}

run "name_that_is_too_long" {
  command = plan

  variables {
    name = "badge-bridge-of-acme-1"
  }
  expect_failures = [var.name]
}

run "rules_in_two_places" {
  command = plan

  variables {
    rules = "rules.yaml"
  }
  expect_failures = [var.rules]
}

run "rules_nowhere" {
  command = plan

  variables {
    uploads_rules = false
  }
  expect_failures = [var.rules]
}

run "function_that_is_none" {
  command = plan

  variables {
    functions = { receiver = { cpu = "2" } }
  }
  expect_failures = [var.functions]
}

run "memory_without_unit" {
  command = plan

  variables {
    functions = { receive = { memory = "512" } }
  }
  expect_failures = [var.functions]
}

run "cpu_that_is_none" {
  command = plan

  variables {
    functions = { receive = { cpu = "3" } }
  }
  expect_failures = [var.functions]
}

run "concurrency_of_nobody" {
  command = plan

  variables {
    functions = { receive = { concurrency = 0 } }
  }
  expect_failures = [var.functions]
}

run "no_instance_at_all" {
  command = plan

  variables {
    functions = { receive = { max_instances = 0 } }
  }
  expect_failures = [var.functions]
}

run "half_a_cpu_for_many" {
  command = plan

  variables {
    functions = { receive = { cpu = "0.5" } }
  }
  expect_failures = [output.functions]
}

run "hardly_any_cpu" {
  command = plan

  variables {
    functions = { receive = { cpu = "0.05", concurrency = 1 } }
  }
  expect_failures = [var.functions]
}

run "four_cpus_with_the_memory_of_one" {
  command = plan

  variables {
    functions = { process = { cpu = "4" } }
  }
  expect_failures = [output.functions]
}

run "eight_cpus_with_the_memory_of_four" {
  command = plan

  variables {
    functions = { process = { cpu = "8", memory = "2Gi" } }
  }
  expect_failures = [output.functions]
}

run "one_cpu_with_the_memory_of_two" {
  command = plan

  variables {
    functions = { receive = { memory = "8Gi" } }
  }
  expect_failures = [output.functions]
}

run "half_a_cpu_with_the_memory_of_one" {
  command = plan

  variables {
    functions = { receive = { cpu = "0.5", memory = "2Gi", concurrency = 1 } }
  }
  expect_failures = [output.functions]
}

run "memory_for_nothing" {
  command = plan

  variables {
    functions = { receive = { memory = "64Mi" } }
  }
  expect_failures = [output.functions]
}

run "more_memory_than_there_is" {
  command = plan

  variables {
    functions = { receive = { cpu = "8", memory = "64Gi" } }
  }
  expect_failures = [output.functions]
}

run "more_instances_at_least_than_at_most" {
  command = plan

  variables {
    functions = { receive = { min_instances = 30 } }
  }
  expect_failures = [output.functions]
}

run "database_without_a_name" {
  command = plan

  variables {
    database = "(default)"
  }
  expect_failures = [var.database]
}

run "log_level_that_is_none" {
  command = plan

  variables {
    log_level = "TRACE"
  }
  expect_failures = [var.log_level]
}

run "secret_with_a_slash" {
  command = plan

  variables {
    secrets = { "twilio/token" = {} }
  }
  expect_failures = [var.secrets]
}

run "secret_for_the_console" {
  command = plan

  variables {
    secrets = { twilio = { readers = ["console"] } }
  }
  expect_failures = [var.secrets]
}

run "encryption_key_written_out" {
  command = plan

  variables {
    encryption_key_secret = "sm://key"
  }
  expect_failures = [var.encryption_key_secret]
}

run "setting_as_further_variable" {
  command = plan

  variables {
    environment = { STATE = "memory:" }
  }
  expect_failures = [var.environment]
}

run "console_for_everybody" {
  command = plan

  variables {
    console_members = ["allUsers"]
  }
  expect_failures = [var.console_members]
}

run "too_few_attempts" {
  command = plan

  variables {
    max_delivery_attempts = 3
  }
  expect_failures = [var.max_delivery_attempts]
}

run "several_processes" {
  command = plan

  variables {
    functions = { process = { max_instances = 4 } }
  }
  expect_failures = [check.process_instances]
}

run "one_receiver" {
  command = plan

  variables {
    functions = { receive = { max_instances = 1 } }
  }
  expect_failures = [check.receive_is_ready]
}
