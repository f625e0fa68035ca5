terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source = "hashicorp/google"
      # deletion_protection of secrets, and source_md5hash, which came with 6.41.
      version = "~> 6.50"
    }
  }

  # The state holds no value of a secret. Where several people deploy, it is kept in a bucket (README, "From nothing to
  # the first badge"), which a file of theirs says, since its name is theirs.
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = { app = var.name }
}
