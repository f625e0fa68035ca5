# Warnings: what works, and what somebody should know before it does.

check "process_instances" {
  assert {
    condition     = local.sizes.process.max_instances == 1
    error_message = "Several instances of process share each portal's limit through the store: each request to a portal then takes a transaction in Firestore first, and a portal's batches are gathered per instance. One instance is enough until its CPU is used up."
  }
}

check "receive_is_ready" {
  assert {
    condition     = local.sizes.receive.max_instances >= 2
    error_message = "With one instance of receive, providers are refused while it is replaced or has all the requests that it may have."
  }
}
