"""A layer that several inner models have in common is one module, with one set of weights."""

import json
import zipfile

import keras
import pytest
import torch
from keras import layers as L
from rows import each_row
from test_twin_layers import computed, difference, values

from torch_impl.keras_config import NoTwinError, from_keras_config
from torch_impl.keras_config.model import Sharing


def branch(name, shared):
    inputs = L.Input((4,))
    return keras.Model(inputs, L.Dense(2, name=f"own_{name}")(shared(inputs)), name=name)


def siamese():
    shared = L.Dense(4, kernel_regularizer="l2", name="shared")
    inputs = L.Input((4,))
    return keras.Model(inputs, L.Add()([branch("a", shared)(inputs), branch("b", shared)(inputs)]))


@each_row("is_saved", [True, False], ids=["saved file", "named"])
def test_its_weights_are_tied_and_its_penalty_counts_once(is_saved, tmp_path):
    model = siamese()
    model.save(tmp_path / "model.keras")
    config = zipfile.ZipFile(tmp_path / "model.keras").read("config.json").decode()
    shared = {} if is_saved else {"shared": ["shared"]}
    twin = from_keras_config(config if is_saved else model.to_json(), **shared)
    assert len(list(twin.parameters())) == len(model.weights) == 6
    x = values((3, 4), 1).astype("float32")
    for weights in (model.get_weights(), {w.path: w.numpy() for w in model.weights}):
        twin.load_keras_weights(weights)
        assert difference(computed(twin, x), model(x).numpy()) < 1e-6
    (penalty,) = twin.penalty.terms()
    assert penalty.item() == pytest.approx(float(model.losses[0]), rel=1e-6)
    assert list(twin.keras_weights())[:2] == ["a/shared/kernel", "a/shared/bias"]


def test_without_its_name_there_are_two_and_loading_says_so():
    model = siamese()
    twin = from_keras_config(model.to_json())
    assert len(list(twin.parameters())) == 8
    with pytest.raises(ValueError, match="'shared/kernel' means any of"):
        twin.load_keras_weights({w.path: w.numpy() for w in model.weights})


def test_a_name_that_stands_in_one_model_alone_is_an_error():
    with pytest.raises(ValueError, match=r"shared=\['own_a'\]: expected names of layers that"):
        from_keras_config(siamese().to_json(), shared=["shared", "own_a"])


def test_one_of_several_layers_of_its_name_is_refused():
    config = json.loads(siamese().to_json())
    layers = config["config"]["layers"]
    layers.insert(2, {**layers[1], "name": "c", "inbound_nodes": []})
    layers[3]["config"]["layers"][1]["shared_object_id"] = 1
    with pytest.raises(NoTwinError, match="it is one of 2 layers of its name"):
        from_keras_config(config)


def test_an_inner_model_is_shared_as_a_layer_is():
    sharing, config = Sharing(["net"]), {"name": "net", "config": {}}
    first, second = (sharing.build(config, lambda _: torch.nn.Identity()) for _ in range(2))
    assert first is second
    sharing.check()
