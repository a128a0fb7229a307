"""A training script of which a port is written: it stops nowhere, and sets no seed."""

import numpy as np
import ported_keras

generator = np.random.default_rng(0)
model = ported_keras.of_ones_own()
x, y = generator.normal(size=(12, 8)), generator.normal(size=(12, 2))
model.fit(x, y, batch_size=4, epochs=3)
raise AssertionError("a port needs nothing behind fit")
