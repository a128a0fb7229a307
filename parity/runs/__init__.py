"""Runs: from a program to its result."""
