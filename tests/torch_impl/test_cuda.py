"""On a GPU the torch half draws the same numbers, and trains the same run up to rounding."""

import pytest
import torch
from covering import one_test

from parity.programs.scenarios import scenario
from torch_impl import fit, philox
from torch_impl.layers import Dropout

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]


@one_test
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_uniform_numbers_and_masks_are_those_of_the_cpu(dtype):
    for shape in [(1,), (7,), (4, 13, 13, 8)]:
        arguments = {"seed": (123, 4), "dtype": dtype}
        uniform = philox.stateless_uniform(shape, device="cuda", **arguments)
        assert torch.equal(uniform.cpu(), philox.stateless_uniform(shape, **arguments))
        kept = philox.stateless_keep(shape, 0.25, device="cuda", **arguments)
        assert torch.equal(kept.cpu(), philox.stateless_keep(shape, 0.25, **arguments))


def test_dropout_drops_the_same_values_as_on_the_cpu():
    x = torch.rand(4, 3, 5, 7) + 0.5
    on_cpu, on_gpu = Dropout(0.5, seed=9), Dropout(0.5, seed=9)
    for _ in range(3):
        assert torch.equal(on_gpu(x.cuda()).cpu() > 0, on_cpu(x) > 0)


@pytest.mark.parametrize("name", ["capacity", "augmentation", "dropout"])
def test_a_float64_training_is_that_of_the_cpu_up_to_rounding(name, digit_data):
    spec = scenario(name).replace(dtype="float64", epochs=2)
    on_cpu = fit(spec, digit_data)
    on_gpu = fit(spec.replace(device="cuda"), digit_data)
    for key, values in on_cpu.history.items():
        assert on_gpu.history[key] == pytest.approx(values, abs=1e-10), key
    for key, weight in on_cpu.weights.items():
        assert abs(on_gpu.weights[key] - weight).max() < 1e-10, key
