"""Export: reports for other programs."""
