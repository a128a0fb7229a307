"""Lets the code of a Keras program compute in float64: functions, layers, pools and CTC."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions

# --------------------------------------------------------------------------------------------------
#
# Lets the user's code compute in float64 where it asks for float32, whatever layer it is in.
#
# A program in float32 says so in many ways: `tf.cast(mask, tf.float32)`, `ops.cast(x, "float32")`,
# `tf.constant(0.3)`, a table of `tf.range(n, dtype=tf.float32)`. In a reference of float64 they
# mean the dtype of the program. So they are followed where TensorFlow makes them, not by the layer:
# what the user's code asks for in float32 is float64, float32 that meets float64 all the same is
# cast to it, and an operation without a kernel for float64 computes in float32 between two casts.
#
# What float32 changes there is measured by another pass, in which all of it is rounded as the
# program asks for it (`as_asked`). Keras's own code gets what it asks for, but for its losses and
# metrics.


# Functions that make numbers, and at which place they take the dtype, which is float32 by default.
_MAKERS = (
    (tf.random, "normal", 3),
    (tf.random, "truncated_normal", 3),
    (tf.random, "uniform", 3),
    (tf.random, "stateless_normal", 4),
    (tf.random, "stateless_truncated_normal", 4),
    (tf.random, "stateless_uniform", 4),
    (tf, "ones", 1),
    (tf, "zeros", 1),
    (tf, "eye", 3),
)
_LOWER = (tf.float32, tf.float16, tf.bfloat16)
_FRAMEWORKS = ("keras", "tensorflow", "tf_keras", "parity")
# Between an operation of Keras and who calls it.
_OF_OPERATIONS = ("keras.src.backend", "keras.src.ops", "keras.src.utils", "keras.src.legacy")
# Of this half: around operations that others call.
_WRAPPERS = tuple(f"parity.halves.keras.{name}" for name in ("calls", "float64_numbers"))
_WRAPPERS += ("parity.halves.keras.loss_constants",)
# What these get may have been made before the program was float64.
_AS_THE_USERS = ("keras.src.losses", "keras.src.metrics")
# What lies between a constant and who asks for it; other functions check the dtype they get.
_OF_CONSTANTS = ("framework", "util", "autograph", "profiler", "ops.weak_tensor_ops")
_RANGES = ("range", "linspace_nd")
_MIXED = re.compile(
    r"\b(float(32)?|half|single)\b.*\b(float64|double)\b|"
    r"\b(float64|double)\b.*\b(float(32)?|half)\b",
    re.DOTALL,
)
# What TensorFlow says of an operation without a kernel for float64, or that is not defined for it.
_NO_KERNEL = re.compile(
    r"Could not find device for node|No OpKernel was registered|not in (the )?list of allowed|"
    r"\b(double|float64|DT_DOUBLE)\b.*not (supported|implemented)"
)


@dataclass
class _Followed:
    is_on: bool = False
    generator: np.random.Generator | None = None  # of a pass that rounds as the program asks
    places: dict[str, None] = field(default_factory=dict)
    layers: list[Any] = field(default_factory=list)  # that are being called
    without_kernel: Callable[[Any], None] = lambda _: None


_followed = _Followed()


@contextmanager
def functions_in_float64() -> Iterator[None]:
    """Makes the user's code compute in float64 in the block."""
    if _followed.is_on:
        yield
        return
    changed = [(module, name, _made(getattr(module, name), at)) for module, name, at in _MAKERS]
    changed += [
        (module, name, make(function))
        for path, name, make in _HOOKS
        if (function := getattr(module := importlib.import_module(path), name, None)) is not None
    ]
    changed.append((tf.TensorArray, "__init__", _arrays(tf.TensorArray.__init__)))
    before = [(module, name, getattr(module, name)) for module, name, _ in changed]
    for module, name, function in changed:
        setattr(module, name, function)
    _followed.is_on = True
    try:
        yield
    finally:
        _followed.is_on = False
        for module, name, function in before:
            setattr(module, name, function)


@contextmanager
def not_followed() -> Iterator[None]:
    """Lets float32 be float32 in the block."""
    before = _followed.is_on
    _followed.is_on = False
    try:
        yield
    finally:
        _followed.is_on = before


@contextmanager
def as_asked(seed: int) -> Iterator[None]:
    """Rounds in the block what the program asks for in float32, as the program does it.

    What is not whole moves by up to half a unit in the last place more, each way, where it goes
    back to float64: rounding alone may have no effect, by chance, on a small array.

    Args:
        seed: of these moves.
    """
    _followed.generator = np.random.default_rng(seed)
    try:
        yield
    finally:
        _followed.generator = None


def float32_places() -> list[str]:
    """Returns the lines of the user's code that asked for float32 so far: "model.py:12"."""
    return list(_followed.places)


def forget_places() -> None:
    """Forgets these lines."""
    _followed.places.clear()


@contextmanager
def calling(layer: Any, without_kernel: Callable[[Any], None]) -> Iterator[None]:
    """Tells of operations in the block that have no kernel for float64.

    Args:
        layer: that is being called.
        without_kernel: gets the innermost layer.
    """
    _followed.layers.append(layer)
    _followed.without_kernel = without_kernel
    try:
        yield
    finally:
        _followed.layers.pop()


def is_mixed(error: Exception) -> bool:
    """Whether code raised an error because it mixes float32 with float64."""
    kinds = (TypeError, ValueError, tf.errors.InvalidArgumentError)
    return isinstance(error, kinds) and _MIXED.search(str(error)) is not None


# --- who asks ------------------------------------------------------------------------------------


def _is_by_user() -> bool:
    """Whether the function two frames further up, which calls a function here, is the user's."""
    return _followed.is_on and _is_users(str(sys._getframe(2).f_globals.get("__name__", "")))


def _is_users(module: str) -> bool:
    is_internal = module.partition(".")[0] in _FRAMEWORKS or module.startswith(
        "parity.halves.keras"
    )
    return not is_internal


def _is_asked(asked: Any, is_between: Callable[[str, str], bool]) -> bool:
    """Whether the user's code asks for what is made now; notes its line.

    Args:
        asked: the frame of the function here that is asked.
        is_between: of a function of TensorFlow, by module and name, whether it passes on what it is
            asked for.
    """
    frame: Any = asked.f_back if _followed.is_on else None
    while frame is not None:
        module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        if module.startswith("tensorflow."):
            if not is_between(module, name):
                return False
        elif module.startswith(_OF_OPERATIONS):
            if module.endswith(".variables") or name == "_initialize":
                return False  # of a variable, whose dtype is its own
            if module.startswith("keras.src.ops") and name == "call":
                _followed.places["the functional model"] = None
                return True  # a node, which the user wrote
        elif not module.startswith(_WRAPPERS):
            if _is_users(module):
                file = Path(frame.f_code.co_filename)
                if file.name.startswith("__autograph"):  # what TensorFlow has made of the code
                    file = Path(frame.f_globals.get("__file__", file))
                _followed.places[f"{file.name}:{frame.f_lineno}"] = None
                return True
            return module.startswith(_AS_THE_USERS)
        frame = frame.f_back
    return False


def _is_between_casts(module: str, _: str) -> bool:
    # A gradient of a cast is cast back to what it was.
    return not module.endswith(("backprop", "gradients_util", "_grad", "variables", "variable_ops"))


def _is_between_constants(module: str, name: str) -> bool:
    _, _, rest = module.partition("tensorflow.python.")
    return rest.startswith(_OF_CONSTANTS) or (rest == "ops.math_ops" and name in _RANGES)


# --- what the user asks for ----------------------------------------------------------------------


def _wider(dtype: Any) -> Any:
    return tf.float64 if _is_lower(dtype) else dtype


def _is_lower(dtype: Any) -> bool:
    return dtype is not None and tf.as_dtype(dtype).base_dtype in _LOWER


def _made(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    @wraps(function)
    def made(*arguments: Any, **keywords: Any) -> Any:
        if not _is_by_user():
            return function(*arguments, **keywords)
        if len(arguments) > at:
            given = [*arguments[:at], _wider(arguments[at]), *arguments[at + 1 :]]
            return function(*given, **keywords)
        return function(
            *arguments, **keywords | {"dtype": _wider(keywords.get("dtype", "float32"))}
        )

    return made


def _casting(cast: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(cast)
    def followed(x: Any, DstT: Any, *arguments: Any, **keywords: Any) -> Any:
        wanted, given = tf.as_dtype(DstT), getattr(x, "dtype", None)
        is_lowered = wanted in _LOWER and given not in _LOWER
        is_asked = is_lowered and _is_asked(sys._getframe(), _is_between_casts)
        if is_asked and (_followed.generator is None or wanted != tf.float32):
            is_double = given == tf.float64
            return x if is_double else cast(x, tf.float64, *arguments, **keywords)
        made = cast(x, DstT, *arguments, **keywords)
        return _moved(made) if wanted == tf.float64 and given == tf.float32 else made

    return followed


def _moved(x: Any) -> Any:
    """Returns float64 that was float32, moved if this pass rounds as the program asks."""
    if _followed.generator is None or not x.shape.is_fully_defined():
        return x
    draw = tf.constant(_followed.generator.uniform(-1, 1, x.shape), x.dtype)
    return tf.where(tf.round(x) == x, x, x * (1 + 2.0**-24 * draw))


def _constants(make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def followed(value: Any, dtype: Any, *arguments: Any, **keywords: Any) -> Any:
        return make(value, _of_constant(value, dtype), *arguments, **keywords)

    return followed


def _conversions(convert: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(convert)
    def followed(
        value: Any,
        dtype: Any = None,
        name: Any = None,
        as_ref: Any = False,
        *others: Any,
        **kw: Any,
    ) -> Any:
        hint = others[0] if others else kw.get("preferred_dtype")
        if not hasattr(value, "dtype") and (dtype is not None or hint is None):
            dtype = _of_constant(value, dtype)
        given = getattr(value, "dtype", None)
        if (
            _followed.is_on
            and _is_other_float(given, dtype)
            and not isinstance(value, np.ndarray | np.generic)
        ):
            value = tf.cast(convert(value, None, None, as_ref), dtype)
        return convert(value, dtype, name, as_ref, *others, **kw)

    return followed


def _of_constant(value: Any, dtype: Any) -> Any:
    """Returns in which dtype a constant is made."""
    if hasattr(value, "dtype") and (dtype is None or value.dtype == np.float32):
        return dtype
    is_number = dtype is None and isinstance(_first_of(value), float)
    if not (is_number or _is_lower(dtype)) or not _is_asked(
        sys._getframe(1), _is_between_constants
    ):
        return dtype
    is_rounded = _followed.generator is not None and (is_number or dtype == tf.float32)
    return dtype if is_rounded else tf.float64


def _first_of(value: Any) -> Any:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return value


def _is_other_float(given: Any, wanted: Any) -> bool:
    if given is None or wanted is None:
        return False
    floats = (*_LOWER, tf.float64)
    pair = tf.as_dtype(given).base_dtype, tf.as_dtype(wanted).base_dtype
    return pair[0] != pair[1] and pair[0] in floats and tf.float64 in pair


def _arrays(init: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(init)
    def followed(self: Any, dtype: Any, *arguments: Any, **keywords: Any) -> None:
        is_asked = _is_lower(dtype) and _is_asked(sys._getframe(), _is_between_casts)
        init(self, tf.float64 if is_asked else dtype, *arguments, **keywords)

    followed.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
    return followed


# --- float32 that meets float64 ------------------------------------------------------------------


def _operations(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Outside of a graph: gets the context, the kind of operation, a name, inputs and settings."""
    errors = importlib.import_module("tensorflow.python.eager.core")

    @wraps(execute)
    def followed(context: Any, kind: Any, name: Any, *given: Any) -> Any:
        try:
            return execute(context, kind, name, *given)
        except errors._NotOkStatusException as error:
            changed, is_lowered = _matched(given, error.message)
            if changed is None:
                raise
        made = execute(context, kind, name, *changed)
        return tf.nest.map_structure(_lifted, made) if is_lowered else made

    return followed


def _fallbacks(execute: Callable[..., Any]) -> Callable[..., Any]:
    """The same of operations that get numbers of another type than their settings have."""
    registry: Any = importlib.import_module("tensorflow.python.framework.op_def_registry")
    record: Any = importlib.import_module("tensorflow.python.eager.record")

    @wraps(execute)
    def followed(
        op_name: Any, num_outputs: int, inputs: Any, attrs: Any, ctx: Any, name: Any = None
    ) -> Any:
        try:
            return execute(op_name, num_outputs, inputs, attrs, ctx, name)
        except Exception as error:
            changed, is_lowered = _matched(tuple(inputs), str(error))
            kind = op_name.decode() if isinstance(op_name, bytes) else op_name
            definition = registry.get(kind) if is_lowered else None
            if definition is None:  # what meets has been converted already
                raise
        types = {each.name for each in definition.attr if each.type == "type"}
        double, single = tf.float64.as_datatype_enum, tf.float32.as_datatype_enum
        pairs = zip(attrs[::2], attrs[1::2], strict=True)
        settings = [(n, single if n in types and v == double else v) for n, v in pairs]
        with record.stop_recording():  # it is recorded by who calls this
            made = execute(op_name, num_outputs, list(changed), sum(settings, ()), ctx, name)
            return [_lifted(each) for each in made]

    return followed


def _nodes(apply: Callable[..., Any]) -> Callable[..., Any]:
    """The same inside of a graph; inputs and settings have names there."""

    @wraps(apply)
    def followed(kind: str, name: Any = None, **given: Any) -> Any:
        try:
            return apply(kind, name, **given)
        except (TypeError, ValueError) as error:
            changed, is_lowered = _matched(tuple(given.values()), str(error))
            if changed is None:
                raise
        made = apply(kind, name, **dict(zip(given, changed, strict=True)))
        if not is_lowered:
            return made
        *head, outputs = made
        return (*head, tf.nest.map_structure(_lifted, outputs))

    return followed


def _quotients(divide: Callable[..., Any]) -> Callable[..., Any]:
    """Of functions that compare the dtypes themselves, before an operation is made."""

    @wraps(divide)
    def followed(x: Any, y: Any, name: Any = None) -> Any:
        if _followed.is_on and _is_other_float(
            getattr(x, "dtype", None), getattr(y, "dtype", None)
        ):
            x, y = _lifted(x), _lifted(y)
        return divide(x, y, name)

    return followed


def _bits(bitcast: Callable[..., Any]) -> Callable[..., Any]:
    """Of the bits of a number, which are another number's in another width."""

    @wraps(bitcast)
    def followed(input: Any, type: Any, name: Any = None) -> Any:
        is_narrow = tf.as_dtype(type).size < tf.float64.size
        return bitcast(_lowered(input) if _followed.is_on and is_narrow else input, type, name)

    return followed


def _matched(given: tuple[Any, ...], message: str) -> tuple[Any, bool]:
    """Returns inputs that fit an operation which refused others, None if the dtype is not why.

    Args:
        given: inputs and settings of the operation.
        message: why it refused them.

    Returns:
        inputs, and whether they are float32, so that float64 has to be made of what it returns.
    """
    dtypes = {x.dtype for x in tf.nest.flatten(given) if tf.is_tensor(x) or _is_variable(x)}
    if tf.float64 not in dtypes or not _followed.is_on:
        return None, False
    if _NO_KERNEL.search(message):
        if _followed.layers:  # else an operation of a gradient, whose layer is known by then
            _followed.without_kernel(_followed.layers[-1])
        return tf.nest.map_structure(_lowered, given), True
    if dtypes & set(_LOWER) and _MIXED.search(message):
        return tf.nest.map_structure(_lifted, given), False
    return None, False


def _is_variable(x: Any) -> bool:
    return isinstance(x, tf.Variable)


def _lifted(x: Any) -> Any:
    is_lower = (tf.is_tensor(x) or _is_variable(x)) and x.dtype in _LOWER
    return tf.cast(x, tf.float64) if is_lower else x


def _lowered(x: Any) -> Any:
    is_double = (tf.is_tensor(x) or _is_variable(x)) and x.dtype == tf.float64
    return tf.cast(x, tf.float32) if is_double else x


_PYTHON = "tensorflow.python."
_HOOKS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    (_PYTHON + "ops.gen_math_ops", "cast", _casting),
    (_PYTHON + "framework.constant_op", "_constant_impl", _constants),
    (_PYTHON + "framework.tensor_conversion_registry", "convert", _conversions),
    (_PYTHON + "pywrap_tfe", "TFE_Py_FastPathExecute", _operations),
    (_PYTHON + "eager.execute", "execute", _fallbacks),
    # TensorFlow takes the first one for `execute` as long as somebody watches its operations.
    (_PYTHON + "eager.execute", "execute_with_callbacks", _fallbacks),
    (_PYTHON + "eager.execute", "quick_execute", _fallbacks),
    (_PYTHON + "ops.math_ops", "_truediv_python3", _quotients),
    (_PYTHON + "ops.math_ops", "_div_python2", _quotients),
    ("tensorflow.math", "divide_no_nan", _quotients),
    ("tensorflow", "bitcast", _bits),
    (_PYTHON + "framework.op_def_library", "_apply_op_helper", _nodes),
)


# --- Layers and penalties in float64, where TensorFlow or Keras has float32 alone -----------------
#
# TensorFlow resizes in float32. For float64 images, some of its kernels have no gradient; they are
# cast first, which the kernels do as well. MelSpectrogram subtracts a float32 constant, which
# TensorFlow refuses. So is the factor of an OrthogonalRegularizer, which stays rounded to float32.


def install() -> None:
    """Lets these layers compute in float64 from now on; all else is as before."""
    if not hasattr(tf.image.resize, "_has_float64"):
        tf.image.resize = _resizing(tf.image.resize)
    kind: Any = getattr(keras.layers, "MelSpectrogram", None)  # Keras 2 has none
    if kind is not None and not hasattr(kind._dbscale, "_has_float64"):
        kind._dbscale = _scaling(kind._dbscale)
    kind = getattr(keras.regularizers, "OrthogonalRegularizer", None)
    if kind is not None and not hasattr(kind.__call__, "_has_float64"):
        kind.__call__ = _penalty(kind.__call__)


def _resizing(resize: Any) -> Any:
    @wraps(resize)
    def resized(images: Any, *arguments: Any, **keywords: Any) -> Any:
        method = keywords.get("method", "bilinear")
        if tf.is_tensor(images) and images.dtype == tf.float64 and method != "nearest":
            images = tf.cast(images, tf.float32)
        return resize(images, *arguments, **keywords)

    resized._has_float64 = True  # type: ignore[attr-defined]
    return resized


def _scaling(scale: Any) -> Any:
    @wraps(scale)
    def scaled(self: Any, inputs: Any) -> Any:
        given = self.ref_power
        self.ref_power = np.asarray(given, keras.backend.standardize_dtype(inputs.dtype))
        try:
            return scale(self, inputs)
        finally:
            self.ref_power = given

    scaled._has_float64 = True  # type: ignore[attr-defined]
    return scaled


def _penalty(penalty: Any) -> Any:
    @wraps(penalty)
    def called(self: Any, inputs: Any) -> Any:
        self.factor = tf.cast(self.factor, inputs.dtype)
        return penalty(self, inputs)

    called._has_float64 = True  # type: ignore[attr-defined]
    return called


# --- Pools of volumes in float64, for which TensorFlow has no kernel on the CPU -------------------
#
# A window over three axes is one over two of them and then one over the third: the greatest of the
# greatest, and the mean of the means, also with padding 'same', where the number of values in a
# window is a product of its sides.


_RANK = 5  # (N, D, H, W, C)


def install_pools() -> None:
    """Lets TensorFlow pool volumes of float64 from now on; all else is as before."""
    for name in ("max_pool", "avg_pool"):
        pool = getattr(tf.nn, name)
        if not hasattr(pool, "_pools_volumes"):
            setattr(tf.nn, name, _also_of_volumes(pool))
    if not hasattr(tf.nn.pool, "_pools_volumes"):
        tf.nn.pool = _either_of_volumes(tf.nn.pool)


def _either_of_volumes(pool: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `tf.nn.pool`, which Keras's adaptive pools call, by the functions above."""

    @wraps(pool)
    def pooled(
        input: Any, window_shape: Any, pooling_type: str, *others: Any, **keywords: Any
    ) -> Any:
        is_plain = not others and keywords.keys() <= {"strides", "padding", "data_format"}
        if not (tf.is_tensor(input) and len(input.shape) == _RANK and is_plain):
            return pool(input, window_shape, pooling_type, *others, **keywords)
        named = tf.nn.max_pool if pooling_type == "MAX" else tf.nn.avg_pool
        return named(
            input,
            window_shape,
            keywords.get("strides", 1),
            keywords.get("padding", "VALID"),
            keywords.get("data_format"),
        )

    pooled._pools_volumes = True  # type: ignore[attr-defined]
    return pooled


def _also_of_volumes(pool: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(pool)
    def pooled(
        input: Any,
        ksize: Any,
        strides: Any,
        padding: Any,
        data_format: str | None = None,
        **keywords: Any,
    ) -> Any:
        is_plain = padding in ("SAME", "VALID") and data_format in (None, "NDHWC")
        if not tf.is_tensor(input) or not (
            input.dtype == tf.float64 and len(input.shape) == _RANK and is_plain
        ):
            return pool(input, ksize, strides, padding, data_format, **keywords)
        return _of_volumes(pool, input, _sides(ksize), _sides(strides), padding)

    pooled._pools_volumes = True  # type: ignore[attr-defined]
    return pooled


def _of_volumes(
    pool: Callable[..., Any], x: Any, window: Sequence[int], strides: Sequence[int], padding: str
) -> Any:
    depth, height, width, channels = (tf.shape(x)[axis] for axis in range(1, _RANK))
    slices = tf.reshape(x, [-1, height, width, channels])
    made = pool(slices, list(window[1:]), list(strides[1:]), padding)
    height, width = tf.shape(made)[1], tf.shape(made)[2]
    columns = tf.reshape(made, [-1, depth, height * width, channels])
    made = pool(columns, [window[0], 1], [strides[0], 1], padding)
    made = tf.reshape(made, [-1, tf.shape(made)[1], height, width, channels])
    made.set_shape([x.shape[0], None, None, None, x.shape[-1]])
    return made


def _sides(given: Any) -> list[int]:
    """Returns three sides from one number, three, or five with those of samples and channels."""
    sides = [int(given)] * 3 if isinstance(given, int) else [int(side) for side in given]
    return sides * 3 if len(sides) == 1 else sides[1:-1] if len(sides) == _RANK else sides


# --- CTC in float64: TensorFlow has no kernel but one in float32, and Keras casts to that ---------
#
# The block computes by the equations of the same loss. Source: Graves et al. 2006, "Connectionist
# Temporal Classification", equations 6 to 8, in logarithms; arguments as keras 3.15
# `backend/tensorflow/nn.py` (`ctc_loss`).


_NONE = -1e30  # logarithm of a probability of 0, without an infinity that makes gradients NaN


@contextmanager
def ctc_in_float64() -> Iterator[None]:
    """Gives Keras's CTC loss the dtype of its outputs in the block. Keras 3 only."""
    if versions.IS_KERAS_2:
        yield
        return
    module: Any = importlib.import_module("keras.src.backend.tensorflow.nn")
    before = module.ctc_loss
    module.ctc_loss = ctc_loss
    try:
        yield
    finally:
        module.ctc_loss = before


def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    """Returns -log p of each sample's labels, (N,), in the dtype of the outputs.

    Args:
        target: labels, (N, L) integers; L of at least 1.
        output: logits, (N, T, C).
        target_length: number of labels of each sample, (N,).
        output_length: number of steps of each sample, (N,).
        mask_index: the class that is the blank.
    """
    output = tf.convert_to_tensor(output)
    labels = tf.cast(target, tf.int32)
    lengths, steps = tf.cast(target_length, tf.int32), tf.cast(output_length, tf.int32)
    num, most = labels.shape[0], labels.shape[1]
    blanks = tf.fill((num, most), mask_index)
    # A blank before each label, and one behind the last.
    states = tf.reshape(tf.stack([blanks, labels], axis=-1), (num, 2 * most))
    states = tf.concat([states, blanks[:, :1]], axis=1)
    two_before = tf.concat([tf.fill((num, 2), mask_index), states[:, :-2]], axis=1)
    skips = (states != mask_index) & (states != two_before)
    logs = tf.gather(tf.nn.log_softmax(output), states, axis=2, batch_dims=1)
    none = tf.cast(_NONE, output.dtype)
    alpha = tf.where(tf.range(2 * most + 1) < 2, logs[:, 0], none)
    for step in range(1, output.shape[1]):
        one = tf.concat([tf.fill((num, 1), none), alpha[:, :-1]], axis=1)
        two = tf.concat([tf.fill((num, 2), none), alpha[:, :-2]], axis=1)
        ways = tf.stack([alpha, one, tf.where(skips, two, none)])
        after = tf.reduce_logsumexp(ways, axis=0) + logs[:, step]
        alpha = tf.where((step < steps)[:, None], after, alpha)
    last = tf.gather(alpha, 2 * lengths, batch_dims=1)
    label = tf.gather(alpha, tf.maximum(2 * lengths - 1, 0), batch_dims=1)
    label = tf.where(lengths > 0, label, none)
    found = -tf.reduce_logsumexp(tf.stack([last, label]), axis=0)
    return tf.where(found > -none / 2, tf.cast(float("inf"), output.dtype), found)
