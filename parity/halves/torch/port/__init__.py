"""Port: a user's module under test is watched, paired with Keras's layers, and fed."""
