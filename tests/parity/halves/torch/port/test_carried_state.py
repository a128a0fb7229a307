"""What a module keeps from batch to batch is put back, and its parameters are not touched."""

import torch
from torch import nn

from parity.halves.torch.port.modules_by_hand import CarriedState


class Keeping(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.states = None
        self.pair = (torch.zeros(2), [torch.zeros(2)])
        self.register_buffer("hidden", torch.zeros(2), persistent=False)
        self.register_buffer("mean", torch.zeros(2))

    def go_on(self):
        self.states = torch.ones(2)
        self.more = torch.ones(2)
        self.pair[0].add_(1)
        self.pair[1][0].add_(1)
        self.hidden.add_(1)
        self.mean.add_(1)
        with torch.no_grad():
            self.weight.add_(1)


def test_what_is_kept_is_put_back_as_often_as_one_likes():
    module = nn.Sequential(Keeping())
    kept, carried = module[0], CarriedState(module)
    for number in (1, 2):
        kept.go_on()
        carried.restore()
        assert kept.states is None
        assert not hasattr(kept, "more")
        for tensor in (kept.pair[0], kept.pair[1][0], kept.hidden):
            assert tensor.tolist() == [0, 0]
        # What training changes, and what a state_dict has, is somebody else's.
        assert kept.weight.tolist() == kept.mean.tolist() == [number, number]
    assert list(module.parameters()) == [kept.weight]
    carried.note_buffers()  # Keras's weights are in them
    mean = kept.mean
    kept.go_on()
    carried.restore()
    assert mean.tolist() == [2, 2]
    assert kept.mean is mean
