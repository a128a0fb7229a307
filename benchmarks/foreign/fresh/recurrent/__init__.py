"""Models with recurrent layers: cells, directions, states, dropouts."""
