"""Activations with which the code of a model ends, such as `ops.sigmoid(x)`: they are no layers.

The calls of a pass and what the model returned go in; the calls get those of such activations.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras.call import Call
from parity.halves.keras.call_list import Calls


def end_with(calls: Calls, output: Any) -> None:
    """Adds the calls of the activations that made the outputs of a model.

    Keras notes on the output of a sigmoid or a softmax what went into it, and its losses take that.
    A layer or an operation of a graph that does the same is a call already.

    Args:
        calls: of the pass.
        output: of the model; a tensor, or several.
    """
    for tensor in filter(tf.is_tensor, tf.nest.flatten(output)):
        made_by = next((call for call in reversed(calls) if call.output is tensor), None)
        logits = getattr(tensor, "_keras_logits", None)
        if logits is None or (made_by and made_by.kind.startswith("activation:")):
            continue
        for kind in (keras.activations.sigmoid, keras.activations.softmax):
            if np.array_equal(kind(logits), tensor):
                name = f"{kind.__name__}_at_the_end"
                number = sum(call.name.startswith(name) for call in calls)
                name = f"{name}_{number}" if number else name
                call = Call(name, f"activation:{kind.__name__}", None, [logits], tensor)
                call.again = kind
                calls.append(call)
                break
