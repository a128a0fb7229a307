"""How torch and Keras store the same variable, in both directions: the only table of it.

`variable` has what a row consists of, each family of modules a file with its rows, and `table`
joins them.
"""

from torch_impl.layouts.families import (
    LAYOUTS,
    all_variables,
    joined_parameters,
    recurrent_variables,
    variables,
)
from torch_impl.layouts.variable import Row, Tensors, Variable

__all__ = [
    "LAYOUTS",
    "Row",
    "Tensors",
    "Variable",
    "all_variables",
    "joined_parameters",
    "recurrent_variables",
    "variables",
]
