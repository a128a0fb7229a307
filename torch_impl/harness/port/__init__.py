"""Port: a user's module under test, watched, paired with Keras's layers and fed."""
