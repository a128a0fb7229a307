"""Casts of a port are left out in float64, and told with their lines."""

import torch
from rows import each_row
from torch import nn

from parity.halves.torch.casts import without_casts

SINGLE, HALF = torch.zeros(1, dtype=torch.float32), torch.zeros(1, dtype=torch.bfloat16)
CASTS = {
    "float": lambda x: x.float(),
    "half": lambda x: x.half(),
    "bfloat16": lambda x: x.bfloat16(),
    "to": lambda x: x.to(torch.float32),
    "keyword": lambda x: x.to(dtype=torch.float16),
    "like": lambda x: x.to(SINGLE),
    "type": lambda x: x.type(torch.float32),
    "sum": lambda x: x.sum(0, keepdim=True, dtype=torch.float32),
    "cumulated": lambda x: torch.cumsum(x, 0, dtype=torch.float32),
    "type_as": lambda x: x.type_as(HALF),
}


@each_row("cast", CASTS.values(), ids=CASTS)
def test_a_cast_of_float64_changes_nothing_and_is_told(cast):
    x = torch.tensor([1 / 3], dtype=torch.float64, requires_grad=True)
    with without_casts("float64") as found:
        y = cast(x)
        (y * 3).backward()
    assert (y.dtype, y.item(), x.grad.item()) == (torch.float64, 1 / 3, 3)
    (told,) = found
    assert " at test_torch_casts.py:" in told
    assert cast(x).dtype != torch.float64  # behind the block, it is a cast again


@each_row("dtype", ["float64", "float32"])
def test_autocast_is_off_in_float64_alone(dtype):
    net = nn.Linear(3, 2).to(getattr(torch, dtype))
    x = torch.randn(4, 3, dtype=getattr(torch, dtype))
    with without_casts(dtype) as found, torch.autocast("cpu", torch.bfloat16):
        y = net(x)
    is_left_out = dtype == "float64"
    assert y.dtype == (torch.float64 if is_left_out else torch.bfloat16)
    assert torch.equal(y, net(x)) is is_left_out
    assert [entry.partition(" at ")[0] for entry in found] == ["autocast"] * is_left_out


@each_row("given", [[1, 2], [True, False]])
def test_whole_numbers_and_masks_become_float64_as_in_keras_s_half(given):
    x = torch.tensor(given)
    with without_casts("float64") as found:
        y = x.float() + 1e-9
    # Float32 loses what is added; the cast itself rounds nothing.
    assert (y.dtype, y.tolist()) == (torch.float64, [each + 1e-9 for each in given])
    assert found == []
    with without_casts("float32"):
        assert x.float().dtype == torch.float32


@each_row("softmax", [torch.softmax, nn.functional.softmax])
def test_a_softmax_in_float32_is_one_in_float64(softmax):
    x = torch.tensor([0.1, 0.7], dtype=torch.float64)
    with without_casts("float64") as found:
        y = softmax(x, -1, dtype=torch.float32)
    assert y.dtype == torch.float64
    assert torch.equal(y, x.softmax(-1))
    assert found[0].startswith("softmax() at test_torch_casts.py:")


def test_numbers_that_the_code_makes_in_float32_meet_float64():
    with without_casts("float64"):
        y = torch.eye(2, dtype=torch.float32) @ torch.tensor([[1e-9], [1.0]], dtype=torch.float64)
        whole = torch.tensor([3, 4]).sum(dtype=torch.float32)
    assert y.tolist() == [[1e-9], [1.0]]
    assert (whole.dtype, float(whole)) == (torch.float64, 7.0)


def test_other_casts_are_made():
    with without_casts("float64") as found:
        made = [
            torch.tensor([1.5, 2]).long(),
            torch.tensor([0.5], dtype=torch.float64).long(),
            SINGLE.double(),
            torch.tensor([0.5], dtype=torch.float64).to("cpu"),
            torch.sum(SINGLE, dtype=torch.float32),
        ]
    dtypes = [torch.int64] * 2 + [torch.float64] * 2 + [torch.float32]
    assert ([each.dtype for each in made], found) == (dtypes, [])


def test_a_grad_scaler_computes_in_its_own_dtype():
    net = nn.Linear(3, 2).double()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = net.bias.detach().clone()
    with without_casts("float64") as found:
        scaler.scale(net(torch.ones(1, 3, dtype=torch.float64)).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    torch.testing.assert_close(net.bias.detach(), before - 1)
    assert found == []
