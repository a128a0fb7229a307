"""Large networks, their twins, and twins with one fault each."""
