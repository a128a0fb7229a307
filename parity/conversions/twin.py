"""The twin of the model in a file, and its layers by Keras's names, within a limit of memory."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from parity.conversions.older_config import in_todays_form
from parity.errors import InputError
from torch_impl.keras_config import KerasModel, from_keras_config
from torch_impl.layouts import Variable, variables

# --- A limit of memory for what a configuration from outside makes a process build ----------------


# Beside what the process has: the twin, the module and their activations, each in float64.
_BASE, _TIMES = 8 * 2**30, 64  # bytes, and bytes for each number of the weights


def limit_memory(num_weights: int) -> None:
    """Limits the memory of this process to what such weights need.

    Args:
        num_weights: numbers in all weights of the file.
    """
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * resource.getpagesize()
        most = now + _BASE + _TIMES * num_weights
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


# --- The twin of the model in a file, and its layers by Keras's names -----------------------------
#
# A configuration goes in. The twin comes out, or the reason why there is none; older forms of the
# configuration are written anew first.


# Beginnings of the classes of layers that keep a factor in float32, or resize in it.
_FLOAT32 = ("MultiHeadAttention", "GroupQueryAttention", "UpSampling", "Resizing", "MelSpectrogram")


@dataclass(frozen=True)
class Leaf:
    """A layer of the twin that is no model.

    Attributes:
        name: Keras's, with those of the models around it: "inner/dense_1".
        path: of its module in the twin: "inner.dense_1".
        module: of the twin.
        config: of the layer.
    """

    name: str
    path: str
    module: nn.Module
    config: Mapping[str, Any]


class Twin:
    """A Keras model in torch, in float64 and in eval mode.

    Args:
        config: `{"class_name", "config"}`, as a file has it.

    Attributes:
        module: the twin.
        leaves: its layers.
        variables: the weights by name: "dense_1.kernel", or "inner/dense_1.kernel" if two layers
            have the name; "mha.query/kernel" for a layer in a layer.
        paths: Keras's path of each weight: "inner/dense_1/kernel".

    Raises:
        ValueError: the model has no twin.
        InputError: the configuration is damaged.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            inner = in_todays_form(config)
            self.module: KerasModel = from_keras_config(inner).double().eval()
        except ValueError:
            raise
        except (RuntimeError, MemoryError) as error:  # a size that no memory holds
            raise InputError(f"the configuration cannot be used ({_line(error)})") from None
        except KeyError as error:  # a setting that older files do not have
            raise ValueError(f"it lacks the setting {_line(error)}") from None
        except (LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            message = f"{type(error).__name__}: {_line(error)}"
            raise InputError(f"the configuration is damaged ({message})") from None
        finally:
            torch.set_default_dtype(before)
        self.config = inner
        self.leaves = list(_leaves(self.module, inner["config"], "", ""))
        self._names = _short_names([leaf.name for leaf in self.leaves])
        self.variables: dict[str, Variable] = {}
        self.paths: dict[str, str] = {}
        visited: set[tuple[int, tuple[str, ...]]] = set()
        for leaf in self.leaves:
            for variable in variables(leaf.module):
                key = id(variable.module), variable.attributes
                if key in visited:
                    continue
                visited.add(key)
                name = f"{self._names[leaf.name]}.{variable.name}"
                self.variables[name] = variable
                self.paths[name] = f"{leaf.name}/{variable.name}"

    @property
    def has_float32(self) -> bool:
        """Whether some of its layers compute in float32 in part, as those of Keras do."""
        kinds = [type(module).__name__ for module in self.module.modules()]
        return any(kind.startswith(_FLOAT32) for kind in kinds)

    @property
    def trained(self) -> list[str]:
        """Names of the weights that Keras trains, in its order; those of frozen layers are none."""
        return [
            name
            for name, variable in self.variables.items()
            if variable.trainable and any(tensor.requires_grad for tensor in variable.tensors)
        ]

    def short(self, leaf: Leaf) -> str:
        """Returns the name of a layer as a user gives it: the last part, if no other has it."""
        return self._names[leaf.name]

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns Keras's shape of a weight."""
        variable = self.variables[name]
        return tuple(variable.to_keras(variable.tensors).shape)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _leaves(module: KerasModel, config: Mapping[str, Any], name: str, path: str) -> Iterator[Leaf]:
    entries = {
        entry.get("name") or entry["config"].get("name"): entry for entry in config["layers"]
    }
    for child_name, child in module.named_children():
        keras_name = module.keras_names[child_name]
        full, below = f"{name}/{keras_name}".lstrip("/"), f"{path}.{child_name}".lstrip(".")
        entry = entries.get(keras_name) or {"config": {}}
        if isinstance(child, KerasModel):
            # A Pipeline is a model of its own in the twin; its entry lists the same layers.
            yield from _leaves(child, {"layers": [], **entry["config"]}, full, below)
        else:
            yield Leaf(full, below, child, entry["config"])


def _short_names(names: list[str]) -> dict[str, str]:
    last = [name.rpartition("/")[2] for name in names]
    return {
        name: short if last.count(short) == 1 else name
        for name, short in zip(names, last, strict=True)
    }
