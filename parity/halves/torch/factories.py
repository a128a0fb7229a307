"""The user's PyTorch program: its factory imported, seeded and called; lines of calls."""

from __future__ import annotations

import functools
import os
import random
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn

import parity
import torch_impl
from parity.errors import UNFINISHED, InputError, UnfinishedError, as_input_error
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import UserFactory, load_factory
from torch_impl.errors import PortError
from torch_impl.port import Port

# --- Finds the line of the user's code that made a call or raised an error ------------------------
#
# The stack or an error goes in. The innermost line that belongs neither to a library nor to the
# harness comes out: "model.py:23".


# Files in these folders are not the user's. The separator at the end matters: a user may have a
# folder "torch_implementation".
_LIBRARIES = tuple(
    os.path.join(os.path.realpath(path), "")
    for path in (
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
        sysconfig.get_path("stdlib"),
        os.path.dirname(torch.__file__),
        os.path.dirname(torch_impl.__file__),
        os.path.dirname(parity.__file__),
    )
)
_PACKAGE = os.path.dirname(torch_impl.__file__)
_IMAGE_LAYERS = os.path.join(_PACKAGE, "layers", "image", "")
# Frames between a function of torch and the code that calls it, while it is watched.
_BETWEEN = tuple(
    os.path.join(folder, "")
    for folder in (os.path.dirname(torch.__file__), os.path.dirname(os.path.dirname(__file__)))
)

# As torch names it: "expected Float but found Double", "not implemented for 'Double'", "float64".
_NO_FLOAT64 = re.compile(r"\b(double|float64)\b", re.IGNORECASE)


def error_text(error: BaseException) -> str:
    """Returns an error that the port raised, with the line of the user's code."""
    return f"{type(error).__name__}: {error}, {line_of(error) or 'inside torch'}"


def advice_on(error: BaseException, dtype: str) -> str:
    """Returns what to do if a port raised an error since it has no float64, or "".

    Args:
        error: that the port raised.
        dtype: of the check.
    """
    if dtype != "float64" or not _NO_FLOAT64.search(str(error)):
        return ""
    return "if it has no float64, check it as it stands: --dtype float32"


def check_written(error: BaseException) -> None:
    """Looks at an error of the port: its own code may say by one that it is still to be written.

    Raises:
        UnfinishedError: a line of the user's code raised NotImplementedError. An operation that
            torch has not for a dtype raises one too, but not by a line of Python.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, NotImplementedError) or not frames:
        return
    if (frames[-1].line or "").startswith("raise") and _is_users(frames[-1].filename):
        message = f"{UNFINISHED}: {error} ({line_of(error)})"
        raise UnfinishedError(message) from error


def line_of(error: BaseException) -> str:
    """Returns the innermost line of the user's code in the traceback of an error, or ""."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    user_frames = (f for f in frames if _is_users(f.filename))
    return next((f"{os.path.basename(f.filename)}:{f.lineno}" for f in user_frames), "")


@functools.cache
def _is_users(filename: str) -> bool:
    path = os.path.realpath(filename)
    return not path.startswith((*_LIBRARIES, "<")) and os.path.isfile(path)


def where() -> str:
    """Returns the innermost line of the stack that is the user's code, or ""."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def is_by_image_layers() -> bool:
    """Whether a function of torch is called by the code of `torch_impl.layers.image`."""
    return _caller().startswith(_IMAGE_LAYERS)


def is_by_user() -> bool:
    """Whether a function of torch is called by the user's code."""
    return _is_users(_caller())


def _caller() -> str:
    """Returns the file whose code calls a function of torch."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_filename


def call_text(function: Any) -> str:
    """Returns a function with the line that called it: "rand() at model.py:23"."""
    return f"{function.__name__}() at {where() or 'torch'}"


# --- The user's own PyTorch program: its factory imported, seeded and called in a dtype -----------


def factory_of(spec: CheckSpec) -> Callable[[], Any]:
    """Returns the factory of a port.

    Args:
        spec: of a check.

    Raises:
        InputError: there is no such function.
    """
    assert spec.torch is not None
    torch.set_default_dtype(torch.float64)
    factory = user_factory(spec.torch, spec.folder, spec.seed)
    factory.imported()  # its errors come first
    return factory


def user_factory(
    reference: str, folder: str | Path, seed: int, given: Sequence[Any] = ()
) -> UserFactory:
    """Returns a factory of the user's, which `call_factory` imports for its dtype.

    Args:
        reference: as in `load_factory`.
        folder: as in `load_factory`.
        given: as in `load_factory`.
        seed: of torch and NumPy, when a module is imported.
    """

    def load() -> Callable[[], Any]:
        with _building(_default_dtype()), as_input_error(PortError):
            return load_factory("--torch", reference, folder, given)

    return UserFactory(load, folder, _default_dtype, lambda: _seed(seed))


def _default_dtype() -> str:
    return str(torch.get_default_dtype()).removeprefix("torch.")


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def call_factory(factory: Callable[[], Any], seed: int, dtype: str = "float64") -> Port:
    """Seeds torch and calls a factory, whose new tensors are of a dtype.

    Args:
        factory: returns a module or a Port.
        seed: passed to `torch.manual_seed`.
        dtype: "float64", which the whole module is made; or "float32": it stays as it is.

    Raises:
        InputError: the factory returns something else.
        UnfinishedError: code that it calls is still to be written.
    """
    torch.set_default_dtype(getattr(torch, dtype))
    _seed(seed)
    with _building(dtype), as_input_error(PortError):
        try:
            built = factory()
        except NotImplementedError as error:
            check_written(error)
            raise
    port = built if isinstance(built, Port) else Port(built)
    if not isinstance(port.module, nn.Module):
        raise InputError(
            f"the torch factory returned {type(built).__name__}; expected a torch.nn.Module, or "
            f"torch_impl.Port(module=...){_of_plain_package(built)}"
        )
    if dtype == "float64":
        port.module.double()  # in place: the optimizer holds these same parameters
        if port.average is not None:
            port.average.double()
    return port


def _of_plain_package(built: Any) -> str:
    """Returns what to give instead of `build` of a port in plain torch; "" for anything else."""
    package, _, file = type(built).__module__.rpartition(".")
    if file != "train" or not isinstance(model := getattr(built, "model", None), nn.Module):
        return ""
    return (
        f". A port in plain torch has it as {package}.test_parity:port, and its network alone as "
        f"{type(model).__module__}:{type(model).__name__}"
    )


def _building(dtype: str) -> AbstractContextManager[None]:
    return _optimizing_float64() if dtype == "float64" else nullcontext()


@contextmanager
def _optimizing_float64() -> Iterator[None]:
    """A context in which optimizers get parameters in float64, whatever dtype these are made in.

    An optimizer or a rule may take the dtype of its rate from the parameters when it is made, and a
    rate of 0.005 that was rounded to float32 would be another one than Keras's.
    """
    original = torch.optim.Optimizer.add_param_group

    def add(optimizer: torch.optim.Optimizer, param_group: dict[str, Any]) -> None:
        original(optimizer, param_group)
        for parameter in param_group["params"]:
            if parameter.is_floating_point():
                parameter.data = parameter.data.double()

    torch.optim.Optimizer.add_param_group = add  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.optim.Optimizer.add_param_group = original  # type: ignore[method-assign]
