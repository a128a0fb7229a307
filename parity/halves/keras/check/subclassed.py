"""A subclassed model as a layer of a functional one, whose config tells what goes in and out."""

from __future__ import annotations

from typing import Any

import keras

from keras_impl.reference import Reference
from parity.data.model_inputs import ModelInput, packed
from parity.halves.keras.check.inputs import inputs_of
from parity.halves.keras.check.own_layers import is_graph
from parity.halves.keras.versions import is_kerass_own


def as_graph(reference: Reference, batch_size: int) -> keras.Model:
    """Returns a model that has a graph: that of a reference, or one that calls it once.

    Args:
        reference: the program.
        batch_size: of the samples for which a model is built, if it is not.

    Raises:
        InputError: the inputs are not known.
        Exception: of the user's code, which may not bear a batch of unknown size.
    """
    model: Any = reference.model
    if is_graph(model):
        if isinstance(model, keras.Sequential) or is_kerass_own(model):
            return model
        # A functional model of a class of the user's may have a config without layers.
        return keras.Model(model._inputs_struct, model._outputs_struct, name=model.name)
    inputs = inputs_of(reference, batch_size)
    tensors = [_tensor(each) for each in inputs.each]
    given = packed(inputs.structure, tensors)
    return keras.Model(given, model(given), name="network")


def _tensor(each: ModelInput) -> Any:
    is_whole = each.is_whole or each.is_tokens
    dtype = "bool" if each.kind == "booleans" else "int32" if is_whole else None
    return keras.Input(each.shape, name=each.name.replace("/", "_"), dtype=dtype)
