"""How TensorFlow is set up for a parity run, and the record of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from parity.errors import InputError
from parity.halves.environment import common_environment

if TYPE_CHECKING:
    from parity.programs.check_spec import CheckSpec
    from parity.programs.run_spec import RunSpec


def configure(spec: RunSpec | CheckSpec) -> None:
    """Sets threads, device and precision; call it before TensorFlow is imported anywhere.

    Raises:
        InputError: the device is not there.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    if spec.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    else:
        # TensorFlow takes all memory of a device at once, which the torch half shares.
        os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        os.environ["CUDA_VISIBLE_DEVICES"] = spec.device.partition(":")[2] or "0"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(spec.threads)
    tf.config.threading.set_inter_op_parallelism_threads(spec.threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    # TensorFlow would compute on the CPU without a word.
    if spec.device != "cpu" and not tf.config.list_physical_devices("GPU"):
        raise InputError(
            f"device={spec.device!r}: TensorFlow sees no such GPU; use --device cpu, or install "
            "tensorflow[and-cuda] in the interpreter of this half (--keras-python)"
        )


def describe_environment(spec: RunSpec | CheckSpec) -> dict[str, Any]:
    """Returns what the run depended on besides its spec."""
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
