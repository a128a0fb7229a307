"""Programs that are built under a strategy of tf.distribute with one replica.

Their variables are spread over replicas, and no plain numbers. With one replica a step computes
what it computes without the strategy, so that its scope does nothing here.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import wraps
from typing import Any

import tensorflow as tf

from parity.errors import InputError


def install() -> None:
    """Lets the scope of a user's strategy do nothing from now on.

    Raises:
        InputError: from the scope: the strategy has several replicas.
    """
    kind: Any = tf.distribute.Strategy
    if not hasattr(kind.scope, "_of_one_replica"):
        kind.scope = _of_one_replica(kind.scope)


def _of_one_replica(own: Any) -> Any:
    homes = (tf.distribute, tf.distribute.experimental)
    found = [each for home in homes for each in vars(home).values() if isinstance(each, type)]
    base: Any = tf.distribute.Strategy
    strategies: Any = tuple(x for x in found if issubclass(x, base) and x is not base)

    @wraps(own)
    def scope(strategy: Any) -> Any:
        if not isinstance(strategy, strategies):  # that of TensorFlow where there is none
            return own(strategy)
        if (number := strategy.num_replicas_in_sync) > 1:
            raise InputError(
                f"the Keras program is built under a {type(strategy).__name__} of {number} "
                "replicas; expected one of one replica, or none: a port is compared on one device"
            )
        return nullcontext(strategy)

    scope._of_one_replica = True  # type: ignore[attr-defined]
    return scope
