terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source = "hashicorp/google"
      # deletion_protection of secrets, and source_md5hash, which came with 6.41.
      version = "~> 6.50"
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
