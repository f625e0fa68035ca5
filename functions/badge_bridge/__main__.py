"""`python -m badge_bridge` is `badge-bridge`."""

from badge_bridge.cli import main

main()
