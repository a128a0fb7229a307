"""Operations of TensorFlow between the layers of Keras 2, in the operations of Keras 3.

`table` has a rule for each function, by TensorFlow's name: what of Keras 3 computes the same of the
same arguments. Rules are written with `nodes`. Their families are `elementwise`, `reductions`,
`shaping` and `selection`.
"""

from parity.weights.tf_operations.nodes import FLOATS, Nodes, Refused, Sizes, Tensor
from parity.weights.tf_operations.shaping import applied, plain_name

__all__ = ["FLOATS", "Nodes", "Refused", "Sizes", "Tensor", "applied", "plain_name"]
