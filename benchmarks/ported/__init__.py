"""What `accuracy/ported.py` ports: the programs, and what a written package is held to."""
