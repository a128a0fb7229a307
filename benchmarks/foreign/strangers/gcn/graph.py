"""A fixed graph of ten nodes, with the normalisation of Kipf and Welling."""

import numpy as np

NODES = 10
EDGES = [
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 3),
    (3, 4),
    (4, 5),
    (5, 6),
    (6, 7),
    (7, 8),
    (8, 9),
    (2, 9),
    (4, 8),
    (0, 5),
]


def normalized_adjacency():
    adjacency = np.eye(NODES)
    for a, b in EDGES:
        adjacency[a, b] = adjacency[b, a] = 1.0
    scale = 1.0 / np.sqrt(adjacency.sum(1))
    return (scale[:, None] * adjacency * scale[None, :]).astype("float32")
