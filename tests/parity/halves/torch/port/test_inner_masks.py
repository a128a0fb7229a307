"""Recurrent layers of torch_impl are given the masks that Keras's half tells as dropouts."""

from types import SimpleNamespace

import numpy as np
import torch

from parity.halves.torch.port.random_masks import given_masks, inner_dropouts
from torch_impl import layers

N, FEATURES, UNITS = 3, 2, 4
GATES = "ifco"


class Trace(dict):
    facts: dict


def port_of(module, names, masks):
    nodes = [{"name": f"memory.{name}", "kind": "dropout", "config": {}} for name in names]
    nodes.append({"name": "memory", "kind": "lstm", "config": {}, "sources": []})
    keras = Trace({f"mask/train/memory.{name}": mask for name, mask in masks.items()})
    keras.facts = {"nodes": nodes}
    pair = SimpleNamespace(node=nodes[-1], call=SimpleNamespace(module=module))
    return SimpleNamespace(keras=keras, all_pairs=[pair])


def masks(names):
    generator = np.random.default_rng(0)
    sizes = {"dropout": FEATURES, "recurrent_dropout": UNITS}
    shapes = {
        name: (N, sizes[name.rpartition(".")[0].rpartition(".")[2] or name]) for name in names
    }
    return {name: generator.random(shape) > 0.5 for name, shape in shapes.items()}


def test_a_mask_for_each_gate_is_given_in_keras_order():
    module = layers.LSTM(FEATURES, UNITS, dropout=0.2, recurrent_dropout=0.4)
    names = [f"{kind}.{gate}" for kind in ("dropout", "recurrent_dropout") for gate in GATES]
    given = masks(names)
    with given_masks(port_of(module, names, given), "train"):
        drawn = module.dropouts.draw(torch.ones(N, FEATURES), torch.ones(N, UNITS))
        module.eval()
        assert module.dropouts.draw(torch.ones(N, FEATURES), torch.ones(N, UNITS)).inputs == ()
    kept = [0.8] * 4 + [0.6] * 4
    for name, share, mask in zip(names, kept, (*drawn.inputs, *drawn.states), strict=True):
        np.testing.assert_allclose(mask, given[name] / share, rtol=1e-6)
    assert "draw" not in vars(module.dropouts)


def test_one_mask_for_all_steps_is_that_of_each():
    module = layers.GRU(FEATURES, UNITS, dropout=0.5)
    step = np.random.default_rng(0).random((N, FEATURES)) > 0.5
    given = {"dropout": np.broadcast_to(step[:, None], (N, 5, FEATURES))}
    port = port_of(module, ["dropout"], given)
    with given_masks(port, "train"):
        (mask,) = module.dropouts.draw(torch.ones(N, FEATURES), torch.ones(N, UNITS)).inputs
    np.testing.assert_array_equal(mask.numpy(), step * 2.0)
    assert inner_dropouts(port) == {"memory.dropout": 0.5}


def test_a_dropout_that_only_the_port_has_is_told_with_its_rate():
    module = layers.LSTM(FEATURES, UNITS, recurrent_dropout=0.3)
    assert inner_dropouts(port_of(module, [], {})) == {"memory.recurrent_dropout": 0.3}
    assert inner_dropouts(port_of(layers.LSTM(FEATURES, UNITS), ["dropout"], {})) == {}


def test_each_draw_gets_the_mask_of_its_step():
    module = layers.LSTM(FEATURES, UNITS, dropout=0.5)
    kept = np.random.default_rng(1).random((3, N, FEATURES)) > 0.5
    names = ["dropout", "dropout#2", "dropout#3"]
    port = port_of(module, names, dict(zip(names, kept, strict=True)))
    with given_masks(port, "train"):
        for mask in (*kept, kept[0]):  # a second pass begins anew
            (drawn,) = module.dropouts.draw(torch.ones(N, FEATURES), torch.ones(N, UNITS)).inputs
            np.testing.assert_array_equal(drawn.numpy(), mask * 2.0)
    assert inner_dropouts(port) == dict.fromkeys([f"memory.{name}" for name in names], 0.5)


def test_steps_that_are_one_batch_get_all_masks_at_once():
    """Samples first: the steps of the first sample, then those of the second."""
    module = layers.LSTM(FEATURES, UNITS, recurrent_dropout=0.5)
    kept = np.random.default_rng(1).random((2, N, UNITS)) > 0.5
    names = ["recurrent_dropout", "recurrent_dropout#2"]
    port = port_of(module, names, {})
    port.keras |= {f"mask/train/memory.{n}": mask for n, mask in zip(names, kept, strict=True)}
    with given_masks(port, "train"):
        drawn = module.dropouts.draw(torch.ones(N * 2, FEATURES), torch.ones(N * 2, UNITS))
    found = drawn.states[0].numpy().reshape(N, 2, UNITS)
    np.testing.assert_array_equal(found, kept.swapaxes(0, 1) * 2.0)
