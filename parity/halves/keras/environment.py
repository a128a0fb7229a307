"""Sets TensorFlow up for a parity run, and records how."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from parity.errors import InputError
from parity.halves.environment import common_environment
from parity.programs import backend
from parity.programs.check_spec import CheckSpec

if TYPE_CHECKING:
    from parity.programs.program_spec import ProgramSpec
    from parity.programs.run_spec import RunSpec


def configure(spec: RunSpec | CheckSpec | ProgramSpec) -> None:
    """Sets back end, threads, device and precision, and imports Keras; call it before others do.

    The environment has the user's own `KERAS_BACKEND` afterwards, or none: so a program that sets a
    default for it asks for that.

    Raises:
        InputError: the device does not exist, or the user asks for another back end.
    """
    backend.check_surroundings()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    if spec.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        # By default TensorFlow takes all memory of a device, which the torch half uses as well.
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        os.environ["CUDA_VISIBLE_DEVICES"] = spec.device.partition(":")[2] or "0"
    if isinstance(spec, CheckSpec):
        # oneDNN has no float64, in which a check computes: its results are the same without it.
        # With it, TensorFlow has another allocator, which never gives back what it once had.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(spec.threads)
    tf.config.threading.set_inter_op_parallelism_threads(spec.threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    # Without this check TensorFlow would silently compute on the CPU.
    if spec.device != "cpu" and not tf.config.list_physical_devices("GPU"):
        raise InputError(
            f"device={spec.device!r}: TensorFlow sees no such GPU; use --device cpu, or install "
            "tensorflow[and-cuda] in the interpreter of this half (--keras-python)"
        )
    user_backend = os.environ.get(backend.VARIABLE)
    os.environ[backend.VARIABLE] = backend.HERE
    import keras  # noqa: F401 - it reads the variable now, and never again

    if user_backend is None:
        del os.environ[backend.VARIABLE]
    else:
        os.environ[backend.VARIABLE] = user_backend


def describe_environment(spec: RunSpec | CheckSpec | ProgramSpec) -> dict[str, Any]:
    """Returns what a run depends on besides its spec: versions, threads, device."""
    import tensorflow as tf

    return {
        **common_environment(("keras", "tensorflow", "scipy")),
        "framework": "keras",
        "device": "cpu" if spec.device == "cpu" else spec.device,
        "devices": [device.name for device in tf.config.list_physical_devices()],
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "jit_compile": False,
        "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
    }
