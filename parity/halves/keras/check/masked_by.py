"""MaskedBy: the mask that Keras gives to what code of the user's returns, in a graph.

Keras keeps the mask of a tensor beside it. A graph of the operations that code calls has no place
for one that Keras gives to the output of the layer: by its `compute_mask`, or that of its input.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from parity.halves.keras import versions


class MaskedBy(keras.layers.Layer):
    """Returns a tensor, which has another one as its mask.

    Args:
        dtype: of the tensor.
    """

    def __init__(self, dtype: Any = None, **options: Any) -> None:
        super().__init__(dtype=dtype, autocast=False, **options)
        self.built = True

    def call(self, inputs: Sequence[Any]) -> Any:
        """Returns the first of (tensor, mask)."""
        return inputs[0]

    def compute_mask(self, inputs: Sequence[Any], previous_mask: Any) -> Any:
        """Returns the second one."""
        return inputs[1]

    def compute_output_spec(self, inputs: Sequence[Any]) -> keras.KerasTensor:
        """Returns the shape and dtype of the tensor."""
        return keras.KerasTensor(tuple(inputs[0].shape), dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns its name and dtype: the mask is an argument of the call."""
        return {"name": self.name, "dtype": str(self.compute_dtype)}


class ToldMasks:
    """The masks with which Keras calls a layer, and those that it gives to what that returns.

    Source: keras 3.15 `layers/layer.py` (`__call__`, `_set_mask_metadata`).

    Args:
        layer: is called.
        arguments: of the call, in order.
        keywords: of the call.

    Attributes:
        by_name: masks by the names of the arguments of `call` that take them.
        flat: those of a graph: all of them, and those of the first argument.
    """

    def __init__(self, layer: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
        module = importlib.import_module("keras.src.layers.layer")
        context = layer._call_context_args
        spec = module.CallSpec(layer._call_signature, context, arguments, dict(keywords))
        tensors, names = spec.tensor_arguments_dict, spec.argument_names
        self._layer, self._first = layer, spec.first_arg
        self.by_name: dict[str, Any] = {}
        takes = {next(iter(tensors), ""): "mask"}
        if len(tensors) > 1:
            takes = {name: f"{name}_mask" for name in tensors}
        for name, mask in takes.items():
            if name in tensors and mask in names and spec.arguments_dict[mask] is None:
                self.by_name[mask] = keras.tree.map_structure(versions.mask_of, tensors[name])
        told = self.by_name.get("mask", keywords.get("mask"))
        is_told = told is not None
        self._before = told if is_told else keras.tree.map_structure(versions.mask_of, self._first)
        given = keras.tree.flatten((self.by_name, self._before))
        symbolic = [each for each in given if isinstance(each, keras.KerasTensor)]
        self.flat = list({id(each): each for each in symbolic}.values())

    def given_to(self, made: Any) -> Any:
        """Returns what the layer made, with the masks that Keras gives it.

        Raises:
            ValueError: a mask has other numbers than truth values.
        """
        flat = keras.tree.flatten(made)
        if not self._layer.supports_masking or all(versions.mask_of(x) is not None for x in flat):
            return made
        masks = self._layer.compute_mask(self._first, self._before)
        if masks is None:
            return made
        pairs = dict(zip(range(len(flat)), keras.tree.flatten(masks), strict=False))
        for number, mask in pairs.items():
            if mask is None or versions.mask_of(flat[number]) is not None:
                continue
            if str(mask.dtype) != "bool":
                raise ValueError(f"its mask is of {mask.dtype}: expected truth values")
            flat[number] = MaskedBy(flat[number].dtype)([flat[number], mask])
        return keras.tree.pack_sequence_as(made, flat)
