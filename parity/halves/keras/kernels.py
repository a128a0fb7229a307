"""What TensorFlow does otherwise in a check: convolutions, single operations, one replica."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from typing import Any

import keras
import tensorflow as tf

from parity.errors import InputError
from parity.halves.keras import versions

# --- Grouped convolutions in a fraction of Keras's time -------------------------------------------
#
# TensorFlow has no grouped convolution for processors, so that Keras compiles each call of one with
# XLA: in `fit` once for all steps, but without a compiled step anew in every pass. What XLA makes
# of it in float64 then takes a hundred times as long as TensorFlow's depthwise convolution.
#
# In the block, one in float64 is computed group by group, which is the same sum in another order:
# the last bits differ. In another dtype, calls of the same settings and shapes share what was
# compiled, with the same numbers bit by bit.
#
# Source: keras 3.15 `backend/tensorflow/nn.py` (`conv`).


_LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}  # of which the gradient of a volume needs the name


@contextmanager
def quick_grouped_convolutions() -> Iterator[None]:
    """Computes grouped convolutions otherwise than Keras in the block. Keras 3 only."""
    if versions.IS_KERAS_2:
        yield
        return
    module: Any = importlib.import_module("keras.src.backend.tensorflow.nn")
    before = module.conv
    module.conv = partial(_conv, before, {})
    try:
        yield
    finally:
        module.conv = before


def _conv(
    original: Any,
    compiled: dict[str, Any],
    inputs: Any,
    kernel: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> Any:
    """Returns a convolution, as Keras's `conv` does.

    Args:
        original: Keras's function.
        compiled: by settings and shapes; is added to.
        inputs: (N, ..., C), or (N, C, ...) with "channels_first".
        kernel: (..., C / groups, filters), tensor or variable.
        strides: of each axis, or of all.
        padding: "valid" or "same".
        data_format: None: Keras's default.
        dilation_rate: of each axis, or of all.
    """
    settings = strides, padding, data_format, dilation_rate
    is_first = (data_format or keras.config.image_data_format()) == "channels_first"
    groups = inputs.shape[1 if is_first else -1] // kernel.shape[-2]
    if groups == 1:
        return original(inputs, kernel, *settings)
    kernel = tf.convert_to_tensor(kernel)
    if inputs.dtype == tf.float64:
        order = list(range(len(inputs.shape)))
        x = tf.transpose(inputs, [0, *order[2:], 1]) if is_first else inputs
        result = _in_groups(x, kernel, groups, strides, padding.upper(), dilation_rate)
        if 0 in result.shape[1:]:
            return original(inputs, kernel, *settings)  # which raises, and says why
        return tf.transpose(result, [0, order[-1], *order[1:-1]]) if is_first else result
    if not tf.executing_eagerly():
        return original(inputs, kernel, *settings)
    key = repr((settings, inputs.shape, kernel.shape, inputs.dtype))
    if key not in compiled:
        compiled[key] = tf.function(
            lambda x, weights: original(x, weights, *settings), jit_compile=True, autograph=False
        )
    return compiled[key](inputs, kernel)


def _in_groups(
    x: Any,
    kernel: Any,
    groups: int,
    strides: int | Sequence[int],
    padding: str,
    dilation_rate: int | Sequence[int],
) -> Any:
    """Returns a convolution with channels last, by the operations that TensorFlow has."""
    rank = len(x.shape) - 2
    strides, dilations = (
        (value,) * rank if isinstance(value, int) else tuple(value)
        for value in (strides, dilation_rate)
    )
    has_one = len({*strides}) == 1 and (max(strides) == 1 or max(dilations) == 1)
    if kernel.shape[-2] == 1 and rank == 2 and has_one:  # what `depthwise_conv2d` takes
        # Filters of a group stand side by side: (..., 1, C * n) is (..., C, n).
        filters = tf.reshape(kernel, (*kernel.shape[:2], groups, -1))
        steps = 1, *strides, 1
        return tf.nn.depthwise_conv2d(x, filters, steps, padding, dilations=dilations)
    parts = zip(tf.split(x, groups, -1), tf.split(kernel, groups, -1), strict=True)
    found = [
        tf.nn.convolution(part, weights, strides, padding, _LAST[rank], dilations)
        for part, weights in parts
    ]
    return tf.concat(found, -1)


# --------------------------------------------------------------------------------------------------
#
# direct_operations: TensorFlow runs single operations as they are, and not as graphs of their own.
#
# Outside of a graph, TensorFlow makes a function of each operation whose settings it has not seen
# since the last `set_random_seed`, and sends it through all passes that improve graphs. This takes
# 0.5 ms, and the operation 0.01 ms. A probe consists of such operations. Both ways give the same
# bits, but where oneDNN is at work: it has other kernels for graphs. It has none for float64.


@contextmanager
def direct_operations() -> Iterator[None]:
    """Operations in the block are run as they are. Those of graphs are not affected."""
    eager = importlib.import_module("tensorflow.python.eager.context")
    calls = importlib.import_module("tensorflow.python.pywrap_tfe")
    choose = getattr(calls, "TFE_ContextSetRunEagerOpAsFunction", None)
    before = getattr(eager, "run_eager_op_as_function_enabled", bool)()
    if choose is None or not before:  # versions of TensorFlow that have one way only
        yield
        return
    context = eager.context()
    context.ensure_initialized()
    choose(context._handle, False)
    try:
        yield
    finally:
        choose(context._handle, True)


# --- Layers that prepare data, called eagerly inside of a model, as in the graph of `fit` ---------
#
# In a graph, such as of `fit` and `predict`, Keras casts the numbers that a Resizing, a RandomFlip
# or a Rescaling is given to the dtype of its policy. Called eagerly, the layer computes with whole
# numbers, and rounds what it makes. A program trains in a graph, and a check calls its model
# eagerly: inside of a model, numbers are cast as in a graph. A layer that is called by itself is as
# before.
#
# Source: keras 3.15 `layers/preprocessing/data_layer.py` (`__call__`).


_MODULE = "keras.src.layers.preprocessing.data_layer"


def install() -> None:
    """Casts numbers inside of models from now on. Keras 2 has no such layers."""
    if versions.IS_KERAS_2:
        return
    kind: Any = importlib.import_module(_MODULE).DataLayer
    if not hasattr(kind.__call__, "_casts_inside"):
        kind.__call__ = _casting(kind.__call__)


def _casting(call: Any) -> Any:
    @wraps(call)
    def called(self: Any, inputs: Any, **keywords: Any) -> Any:
        if tf.executing_eagerly() and _is_inside():
            inputs = keras.tree.map_structure(lambda x: _cast(x, self.compute_dtype), inputs)
        return call(self, inputs, **keywords)

    called._casts_inside = True  # type: ignore[attr-defined]
    return called


def _is_inside() -> bool:
    """Whether a layer or a model is being called."""
    state: Any = importlib.import_module("keras.src.backend.common.global_state")
    return state.get_global_attribute("current_call_ctx") is not None


def _cast(value: Any, dtype: str) -> Any:
    is_number = tf.is_tensor(value) and value.dtype != tf.string
    return tf.cast(value, dtype) if is_number else value


# --- Programs that are built under a strategy of tf.distribute with one replica -------------------
#
# Their variables are spread over replicas, and no plain numbers. With one replica a step computes
# what it computes without the strategy, so that its scope does nothing here.


def install_one_replica() -> None:
    """Lets the scope of a user's strategy do nothing from now on.

    Raises:
        InputError: from the scope: the strategy has several replicas.
    """
    kind: Any = tf.distribute.Strategy
    if not hasattr(kind.scope, "_of_one_replica"):
        kind.scope = _of_one_replica(kind.scope)


def _of_one_replica(original: Any) -> Any:
    homes = (tf.distribute, tf.distribute.experimental)
    found = [each for home in homes for each in vars(home).values() if isinstance(each, type)]
    base: Any = tf.distribute.Strategy
    strategies: Any = tuple(x for x in found if issubclass(x, base) and x is not base)

    @wraps(original)
    def scope(strategy: Any) -> Any:
        if not isinstance(strategy, strategies):  # that of TensorFlow where there is none
            return original(strategy)
        if (number := strategy.num_replicas_in_sync) > 1:
            raise InputError(
                f"the Keras program is built under a {type(strategy).__name__} of {number} "
                "replicas; expected one of one replica, or none: a port is compared on one device"
            )
        return nullcontext(strategy)

    scope._of_one_replica = True  # type: ignore[attr-defined]
    return scope
