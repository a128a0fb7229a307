"""Testing: parity as an assertion and as a pytest plugin."""
