"""The user's own PyTorch program: its factory imported, seeded and called in a dtype."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from parity.errors import InputError, as_input_error
from parity.halves.torch.port.call_places import check_written
from parity.programs.check_spec import CheckSpec
from parity.programs.factories import UserFactory, load_factory
from torch_impl.errors import PortError
from torch_impl.port import Port


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
    own = torch.optim.Optimizer.add_param_group

    def add(optimizer: torch.optim.Optimizer, param_group: dict[str, Any]) -> None:
        own(optimizer, param_group)
        for parameter in param_group["params"]:
            if parameter.is_floating_point():
                parameter.data = parameter.data.double()

    torch.optim.Optimizer.add_param_group = add  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.optim.Optimizer.add_param_group = own  # type: ignore[method-assign]
