"""Both directions of a module of torch, merged in the code of the port, are one layer of Keras."""

import pytest

from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

pytestmark = pytest.mark.long

_PAIR = """
import torch
from torch import nn


def build():
    import keras
    from keras import layers

    tokens = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="first")(x)
    x = layers.Bidirectional(layers.GRU(5), merge_mode="sum", name="both")(x)
    model = keras.Model(tokens, layers.Dense(2, name="out")(x))
    model.compile("sgd", "mse")
    return model


class Net(nn.Module):
    def __init__(self, masks=True, factor=1.0):
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.first = nn.GRU(4, 3, batch_first=True, bidirectional=True)
        self.both = nn.GRU(6, 5, batch_first=True, bidirectional=True)
        self.out = nn.Linear(5, 2)
        self.masks, self.factor = masks, factor

    def forward(self, tokens):
        x = self.table(tokens)
        if self.masks:
            lengths = (tokens != 0).sum(1)
            x = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        last = self.both(self.first(x)[0])[1]
        return self.out(self.factor * (last[0] + last[1]))


def mean():
    return Net(factor=0.5)


def unmasked():
    return Net(masks=False)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("merged")
    (folder / "pair.py").write_text(_PAIR, encoding="utf-8")
    names = ("Net", "mean", "unmasked")
    specs = [
        CheckSpec(keras="pair.py:build", torch=f"pair.py:{name}", folder=str(folder), steps=1)
        for name in names
    ]
    return dict(zip(names, check_all(specs, CheckOptions()), strict=True))


def forward(result):
    return next(level for level in result.levels if level.id == "forward")


def causes(result):
    return [
        cause["id"]
        for found in result.divergences
        if found.level == "forward"
        for cause in found.causes[:1]
    ]


def test_a_merge_is_judged_by_what_it_computes_and_not_by_its_shape(results):
    assert forward(results["Net"]).status == "pass"
    for name in ("mean", "unmasked"):
        assert forward(results[name]).status == "fail"
        assert not [item.name for item in forward(results[name]).items if "shape" in item.note]
    assert causes(results["mean"]) == ["A27"]  # a factor, and nothing else
    assert "R4" not in causes(results["unmasked"])  # a sum is the same in any order
