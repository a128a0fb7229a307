"""The final weights of both halves, as a state_dict of the port."""

import torch
from safetensors.torch import load_file
from torch import nn

from parity.halves.torch.environment import save_state


def test_weights_that_two_layers_share_are_saved_twice(tmp_path):
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    save_state(tmp_path / "torch.safetensors", module)
    found = load_file(tmp_path / "torch.safetensors")
    assert torch.equal(found["0.weight"], found["1.weight"])
