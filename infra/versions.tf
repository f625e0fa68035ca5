terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.20"
    }
  }

  # The state holds no value of a secret. Where several people deploy, keep it in a bucket: `backend "gcs" {}` here, and
  # `terraform init -backend-config=bucket=...`.
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = { app = var.name }
}
