"""Data: what a run is fed, from its source to the arrays that both halves get."""
