"""Traces: what a half leaves behind, and how it is read again."""
