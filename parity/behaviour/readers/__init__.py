"""Readers: read a training history from the user's file."""
