"""Layers and functions of the user's own in a port: stubs, with all but the code that is theirs."""
