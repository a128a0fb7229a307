"""Where the tasks of a sweep run: on this machine, or on a Ray cluster."""
