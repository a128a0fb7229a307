"""A program and ports that `benchmarks/accuracy/program_sweeps.py` sweeps."""
