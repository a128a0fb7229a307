"""Data: from the source to the arrays that both halves train on."""
