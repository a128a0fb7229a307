"""Halves: how the two child processes are started, watched and stopped."""
