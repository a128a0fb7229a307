"""Names of the items of the level "loss", and of what is left out with it."""

from __future__ import annotations

CONFIDENT = "loss of confident outputs"
GRADIENT = "its gradient"
OF_KERAS = "loss of Keras's outputs"  # in train mode
BROADCAST = "shapes that meet in the loss"
UNKNOWN_TARGETS = "the loss"  # what is left open if no targets of it are known
UNUSED = "the loss does not depend on it"  # why a gradient is not compared


def of_output(label: str, name: str) -> str:
    """Returns the name of the item of one of several outputs: "its gradient (main)"."""
    return f"{label} ({name})"


def output_of(item: str) -> str:
    """Returns the name of the output that an item is about; "" if it is about all of them."""
    for label in (CONFIDENT, GRADIENT, "loss"):
        if item.startswith(f"{label} (") and item.endswith(")"):
            return item[len(label) + 2 : -1]
    return ""
