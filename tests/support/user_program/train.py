"""The same program as a script."""

import sys

import keras
from keras_side import CLASS_WEIGHT, callbacks, model, x, x_val, y, y_val

keras.utils.set_random_seed(int(sys.argv[1]))
net = model()
history = net.fit(
    x,
    y,
    16,
    3,
    validation_data=(x_val, y_val),
    class_weight=CLASS_WEIGHT,
    callbacks=callbacks(),
    verbose=0,
)
print("ends as always:", __name__, sys.argv, len(history.history["loss"]))
