"""Halves: the two child processes, how they are started, watched and ended."""
