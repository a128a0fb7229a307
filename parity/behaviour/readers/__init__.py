"""Readers: a history from the file that a user has."""
