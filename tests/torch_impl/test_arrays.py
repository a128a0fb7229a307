"""A model is filled with the weights in a file; seeds and counts of layers are no weights."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from torch_impl.arrays import load_state
from torch_impl.layers import Dropout


def net(width=3):
    return nn.Sequential(nn.Linear(2, width), Dropout(0.5, seed=9))


def test_a_model_gets_the_weights_of_a_file_and_keeps_its_seeds(tmp_path):
    path, theirs, ours = tmp_path / "w.safetensors", net(), net()
    save_file(dict(theirs[0].named_parameters("0")), path)
    load_state(ours, path)
    assert torch.equal(ours[0].weight, theirs[0].weight)
    assert ours[1].seed == 9


def test_weights_that_lack_or_are_unknown_are_named(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"0.weight": torch.ones(3, 2), "more": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"'0.bias'.* are missing, \['more'\] are unknown"):
        load_state(net(), path)
