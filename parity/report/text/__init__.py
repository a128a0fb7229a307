"""Text: reports on a terminal."""
