"""All networks of keras.applications: their twins, one training step of each, and their checks."""
