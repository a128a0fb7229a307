"""What train.py of a port is run with: the command line, and a file of data that is checked.

    given = training_parser(epochs=3, batch_size=32, validation_split=0.2).parse_args()
    file = opened(given.data, ["x", "y"], ["weight"])
    x, y = real_input(file, "x", (32, 32, 3)), label_targets(file, "y", (), 10)

What is wrong ends the program with exit code 1, and with one line that says what was found, what
was expected and what to do. A port in plain torch has a copy of these functions.
"""

from torch_impl.plain.command_line import training_parser
from torch_impl.plain.data_file import (
    Arrays,
    any_input,
    any_targets,
    is_validated,
    label_targets,
    opened,
    output_weights,
    real_input,
    refuse_weights,
    row_targets,
    sample_weight,
    tell_unweighted,
    validation_share,
    value_targets,
    whole_input,
)

__all__ = [
    "Arrays",
    "any_input",
    "any_targets",
    "is_validated",
    "label_targets",
    "opened",
    "output_weights",
    "real_input",
    "refuse_weights",
    "row_targets",
    "sample_weight",
    "tell_unweighted",
    "training_parser",
    "validation_share",
    "value_targets",
    "whole_input",
]
