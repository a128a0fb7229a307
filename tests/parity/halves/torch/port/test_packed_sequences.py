"""Packed sequences are seen as padded ones, and a value goes on in their place."""

import torch
from small_nets import Net
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from parity.halves.torch.call import data_alone, first_tensor, packed_in, padded, repacked
from parity.halves.torch.calls import recorded_calls

X = torch.arange(1.0, 25).reshape(3, 4, 2)
LENGTHS = torch.tensor([2, 4, 1])
KEPT = (torch.arange(4) < LENGTHS[:, None])[..., None]


def packed():
    return pack_padded_sequence(X, LENGTHS, batch_first=True, enforce_sorted=False)


def test_a_packed_sequence_is_padded_found_in_arguments_and_packed_again():
    one = packed()
    assert torch.equal(padded(one), X * KEPT)
    assert torch.equal(first_tensor((one, None)), X * KEPT)
    assert torch.equal(padded(repacked(X * 2, one)), 2 * X * KEPT)
    assert packed_in((1, {"x": [one]})) == [one]
    assert data_alone((one, "y"))[0] is one.data
    order = LENGTHS.argsort(descending=True)  # a sorted one keeps its order
    given = pack_padded_sequence(X[order], LENGTHS[order], batch_first=True)
    assert torch.equal(padded(repacked(X[order] + 1, given)), ((X + 1) * KEPT)[order])


def packing(net, x):
    given = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(net.gru(given)[0], batch_first=True)[0]


def test_a_recurrent_module_is_watched_as_if_it_took_padded_sequences():
    for num_layers in (1, 2):
        net = Net(packing, gru=nn.GRU(2, 3, num_layers, batch_first=True))
        with recorded_calls(net, lambda number, x, rate: x) as calls:
            output = net(X)
        found = [call for call in calls if call.kind == "gru"]
        assert len(found) == num_layers
        assert torch.equal(found[0].inputs[0], X * KEPT)
        assert torch.equal(found[-1].output, output)
        assert torch.equal(first_tensor(found[-1].run(found[-1].inputs[0])), output)
        assert torch.equal(net(X), output)


def test_another_output_goes_on_packed():
    net = Net(packing, gru=nn.GRU(2, 3, 1, batch_first=True))

    def passed(call, output):
        if call.kind != "gru":
            return output
        return repacked(torch.ones(3, 4, 3), output[0]), output[1]

    with recorded_calls(net, lambda number, x, rate: x, passed=passed):
        output = net(X)
    assert torch.equal(output, KEPT.expand(3, 4, 3).to(output.dtype))
