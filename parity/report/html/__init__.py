"""The report as one HTML file: from what a command has left to a `Page`, and from it to text."""
