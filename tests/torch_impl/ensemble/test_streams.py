"""A stream goes on where it was, whatever is drawn outside of it."""

import pytest
import torch

from torch_impl.ensemble.streams import Stream


def test_two_streams_and_what_is_outside_do_not_disturb_each_other():
    def alone(seed):
        torch.manual_seed(seed)
        return torch.rand(6)

    expected = [alone(seed) for seed in (1, 2, 3)]
    streams = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        streams.append(Stream())
    torch.manual_seed(3)
    drawn = [[], [], []]
    for _ in range(3):
        for stream, values in zip(streams, drawn, strict=False):
            with stream:
                values.append(torch.rand(2))
        drawn[2].append(torch.rand(2))
    for values, reference in zip(drawn, expected, strict=True):
        assert torch.equal(torch.cat(values), reference)


def test_a_stream_is_left_after_an_error():
    torch.manual_seed(1)
    stream = Stream()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), stream:
        1 / torch.randint(0, 1, ()).item()
    assert torch.equal(torch.get_rng_state(), before)


def test_values_are_drawn_from_the_stream_and_what_comes_after_them_too():
    def values():
        yield torch.rand(1).item()
        yield torch.rand(1).item()
        torch.rand(1)  # as the order of the next epoch

    torch.manual_seed(5)
    expected = [*values(), torch.rand(1).item()]
    torch.manual_seed(5)
    stream = Stream()
    found = []
    for value in stream.over(values()):
        found.append(value)
        torch.rand(3)
    with stream:
        found.append(torch.rand(1).item())
    assert found == expected
