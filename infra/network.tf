# Optional: portals are called from one address (variable static_egress says what that costs). Cloud functions reach a
# network through a connector; it has one of its own, with nothing else in it.

resource "google_compute_network" "egress" {
  # checkov:skip=CKV2_GCP_18: nothing is in it but the connector, whose rules Google makes; a network without rules lets nobody in
  count = var.static_egress ? 1 : 0

  name                    = "${var.name}-egress"
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "egress" {
  # checkov:skip=CKV_GCP_26: flow logs of a network that only leads out cost more than they tell; the NAT logs its errors
  # checkov:skip=CKV_GCP_76: the network has IPv4 only
  count = var.static_egress ? 1 : 0

  name          = "${var.name}-egress"
  network       = google_compute_network.egress[0].id
  region        = var.region
  ip_cidr_range = var.egress_range

  # Google's APIs are asked without passing the gateway.
  private_ip_google_access = true
}

resource "google_vpc_access_connector" "egress" {
  count = var.static_egress ? 1 : 0

  name          = "${var.name}-out"
  region        = var.region
  machine_type  = "e2-micro"
  min_instances = 2
  max_instances = 3

  subnet {
    name = google_compute_subnetwork.egress[0].name
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_address" "egress" {
  count = var.static_egress ? 1 : 0

  name   = "${var.name}-egress"
  region = var.region

  depends_on = [google_project_service.this]
}

resource "google_compute_router" "egress" {
  count = var.static_egress ? 1 : 0

  name    = "${var.name}-egress"
  network = google_compute_network.egress[0].id
  region  = var.region
}

resource "google_compute_router_nat" "egress" {
  count = var.static_egress ? 1 : 0

  name                               = "${var.name}-egress"
  router                             = google_compute_router.egress[0].name
  region                             = var.region
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.egress[0].self_link]
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.egress[0].id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
