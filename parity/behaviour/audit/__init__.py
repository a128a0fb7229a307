"""Audit: tests of the training and validation data."""
