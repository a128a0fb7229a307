"""What the Keras child does for the harness."""
