"""What the torch child does for the harness."""
