"""The networks that a port holds are found by name, by what the port says, or by their order."""

import pytest
import torch
from rows import each_row
from small_nets import Net
from torch import nn

from parity.errors import InputError
from parity.halves.torch.port.parts import (
    called_by_parts,
    parts_in,
    parts_left_out,
    weights_left_out,
)
from torch_impl import Port

PLAIN = {"is_row": False, "kept": None, "num_outputs": 1, "weights": ["layer.w"]}
STEADY, MOVED = {"layer.w": False}, {"layer.w": True}  # kept as built; whether a step moves it


def holder(**networks):
    return Net(lambda net, x: x + 1, **networks)


def sampled(num):
    return Net(lambda net, x: [net.fc(x)] * num, fc=nn.Linear(3, 2))


def parted(module, told, as_built=None, **settings):
    facts = {"own_training": {"parts": told, "as_built": as_built or {}}}
    return called_by_parts(Port(module, **settings), module, facts)


@each_row(
    "names, layers",
    [
        (("generator", "critic"), {}),
        (("netG", "netD"), {"generator": "netG", "critic": "netD"}),
        (("netG", "netD"), {}),
    ],
    ids=["by name", "as the port says", "in order"],
)
def test_a_part_is_found(names, layers):
    module = holder(**{names[0]: nn.Linear(3, 2), names[1]: nn.Linear(2, 1)})
    port = parted(module, {"generator": PLAIN, "critic": PLAIN}, layers=layers)
    made = module({"generator": torch.ones(4, 3), "critic": torch.ones(5, 2)})
    assert {name: tuple(x.shape) for name, x in made.items()} == {
        "generator": (4, 2),
        "critic": (5, 1),
    }
    assert port.layers == {}
    assert list(parts_in(module)) == ["generator", "critic"]


def test_a_model_whose_call_reaches_all_weights_has_no_parts():
    module = holder(net=nn.Linear(3, 2))
    port = Port(module)
    assert called_by_parts(port, module, {"own_training": {"applied": []}}) is port
    assert parts_in(module) == {}


@each_row("num", [3, 2])
def test_outputs_that_are_random_in_keras_may_be_there_or_not(num):
    module = holder(encoder=sampled(num))
    parted(module, {"encoder": {"is_row": False, "kept": [0, 1], "num_outputs": 3}})
    assert list(module(torch.ones(1, 3))) == ["encoder/0", "encoder/1"]


def test_inputs_that_keras_gives_in_a_list_may_be_taken_one_after_the_other():
    module = holder(net=Net(lambda net, x, scale: net.fc(x) * scale, fc=nn.Linear(3, 2)))
    parted(module, {"net": PLAIN})
    assert not module({"net": [torch.ones(4, 3), torch.zeros(4, 1)]})["net"].any()


def test_another_number_of_outputs_is_told():
    module = holder(encoder=sampled(4))
    parted(module, {"encoder": {"is_row": False, "kept": [0, 1], "num_outputs": 3}})
    with pytest.raises(InputError, match="'encoder' returns 4 tensors; expected 3"):
        module(torch.ones(1, 3))


GAN = {"generator": PLAIN, "critic": PLAIN}
AVERAGED = {"network": {**PLAIN, "weights": ["dense.kernel"]}, "average": PLAIN}
# Networks of the port, parts of Keras, what of them is as it was built, layers, and what is told.
WITHOUT = [
    (["netG"], GAN, {}, {}, r"no module for generator, critic.*layers=\{'generator'"),
    (["generator", "other"], GAN, {}, {}, "no module for critic"),
    (
        *(["generator", "other"], {"generator": PLAIN}, {}, {"generator": "netX"}),
        r"names netX; expected modules of the port: generator, other",
    ),
    (["network"], AVERAGED, MOVED, {}, "no module for average"),  # what a step moves
    (["network"], AVERAGED, {}, {}, "no module for average"),
    ([], GAN, STEADY, {}, "no module for generator, critic"),
]


@each_row("networks, told, as_built, layers, message", WITHOUT)
def test_a_part_without_a_module_is_told_with_what_to_say(
    networks, told, as_built, layers, message
):
    module = holder(**{name: nn.Linear(3, 2) for name in networks})
    with pytest.raises(InputError, match=message):
        parted(module, told, as_built, layers=layers)


def test_a_port_may_compute_a_part_of_constants_by_itself():
    module = holder(network=nn.Linear(3, 2))
    parted(module, {"network": {**PLAIN, "weights": ["dense.kernel"]}, "normalizer": PLAIN}, STEADY)
    made = module({"network": torch.ones(4, 3), "normalizer": torch.ones(4, 3)})
    assert list(made) == list(parts_in(module)) == ["network"]
    assert parts_left_out(module) == ["normalizer"]
    assert weights_left_out(module) == {"layer.w"}
