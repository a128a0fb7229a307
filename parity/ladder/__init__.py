"""Two traces in, levels out: what is compared, in which order, and what may differ."""
