"""Two short histories of a training, as the command line is given them."""

GOOD_FIT = {
    "loss": [1.0, 0.4, 0.2, 0.15],
    "accuracy": [0.6, 0.9, 0.95, 0.96],
    "val_loss": [0.6, 0.35, 0.25, 0.2],
    "val_accuracy": [0.8, 0.9, 0.93, 0.94],
}
OVERFIT = {**GOOD_FIT, "val_accuracy": [0.6, 0.7, 0.7, 0.7]}
