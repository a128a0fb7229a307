"""Weights without a place and parameters without a source find each other, the likeliest first."""

from itertools import islice

import torch
from rows import each_row
from torch import nn

from parity.halves.torch.port.carried import Need, Source, assignments, variable_of


def holder(**shapes):
    module = nn.Module()
    for name, shape in shapes.items():
        module.register_parameter(name, nn.Parameter(torch.randn(*shape)))
    return module


def sources(module, **places):
    return [Source(name, module, name, places.get(name)) for name in module._parameters]


def first(needs, found):
    chosen = next(assignments(needs, found))
    return {needs[number].name: found[option.source].name for number, option in chosen}


# What decides -> weights without a place, parameters without a source, and who finds whom.
CASES = {
    "names, between parameters of one shape": (
        [Need("scale.gamma", (4,)), Need("shift.beta", (4,))],
        sources(holder(bias=(4,), gamma=(4,))),
        {"scale.gamma": "gamma", "shift.beta": "bias"},
    ),
    "places in the flow, where names do not": (
        [Need("ls.gamma", (4,), place=1), Need("ls_1.gamma", (4,), place=5)],
        sources(holder(one=(4,), two=(4,)), one=5, two=1),
        {"ls.gamma": "two", "ls_1.gamma": "one"},
    ),
    # Keras lists its branches in another order than the port, and nothing else tells them.
    "names that differ in their numbers alone": (
        [Need(f"norm_{n}.vector_u", (1, 3)) for n in (3, 2, 1)],
        [Source(f"net.norm_{n}.dense.u", holder(u=(1, 3)), "u") for n in (1, 2, 3)],
        {f"norm_{n}.vector_u": f"net.norm_{n}.dense.u" for n in (1, 2, 3)},
    ),
    "the order of creation, at last": (
        [Need(f"a{n}.w", (4,)) for n in range(3)],
        sources(holder(x=(4,), y=(1, 4), z=(4, 1, 1))),
        {"a0.w": "x", "a1.w": "y", "a2.w": "z"},
    ),
    "shapes: what fits nowhere gets nothing, and the others do": (
        [Need("a.w", (7,)), Need("b.w", (4,))],
        sources(holder(x=(4,))),
        {"b.w": "x"},
    ),
    "nothing fits": ([Need("a.w", (7,))], sources(holder(x=(4,))), {}),
    # Another number of values is no patch.
    "too many rows": ([Need("e.kernel", (13, 5))], sources(holder(weight=(5, 3, 2, 2))), {}),
    "too many units": ([Need("e.kernel", (20, 3))], sources(holder(weight=(5, 3, 2, 2))), {}),
}


@each_row("needs, found, expected", CASES.values(), ids=CASES)
def test_the_likeliest_assignment_comes_first(needs, found, expected):
    assert first(needs, found) == expected


def test_every_assignment_comes_once_and_shapes_always_fit():
    needs = [Need(f"a{n}.w", (3, 3)) for n in range(2)]
    found = sources(holder(x=(3, 3), y=(3, 3), z=(5,)))
    seen = list(islice(assignments(needs, found), 100))
    # Two orders of two parameters, each with two orders of axes; z does not fit.
    keys = {tuple((n, o.source, o.axes) for n, o in sorted(c, key=lambda p: p[0])) for c in seen}
    assert len(keys) == 8
    assert len(seen) == 8
    assert all(option.source < 2 for chosen in seen for _, option in chosen)


def test_the_search_ends_where_there_are_countless_assignments():
    needs = [Need(f"a{n}.w", (2, 2)) for n in range(14)]
    found = sources(holder(**{f"p{n}": (2, 2) for n in range(14)}))
    assert len(list(islice(assignments(needs, found), 24))) == 24
    assert first(needs, found) == {f"a{n}.w": f"p{n}" for n in range(14)}


LAYOUTS = {
    "same": ((4, 5), (1, 4, 5), "pos", "e.pos", lambda k: k[None]),
    "turned": ((4, 5), (5, 4), "weight", "d.kernel", lambda k: k.T),
    "convolution": (
        (3, 2, 4, 5),
        (5, 4, 3, 2),
        "weight",
        "c.kernel",
        lambda k: k.permute(3, 2, 0, 1),
    ),
    "image": ((6, 7, 3), (1, 3, 6, 7), "pos", "e.pos", lambda k: k.permute(2, 0, 1)[None]),
    "heads": ((6, 2, 5), (10, 6), "weight", "q.kernel", lambda k: k.reshape(6, 10).T),
    "scalar": ((), (1,), "alpha", "p.alpha", lambda k: k.reshape(1)),
}


@each_row("shape, held, attribute, name, turn", LAYOUTS.values(), ids=LAYOUTS)
def test_a_weight_goes_in_and_comes_back(shape, held, attribute, name, turn):
    (need,), found = [Need(name, shape)], sources(holder(**{attribute: held}))
    ((_, option),) = next(assignments([need], found))
    variable, value = variable_of(need, found[0], option), torch.randn(shape)
    (tensor,) = variable.to_torch(value)
    assert torch.equal(tensor, turn(value))
    assert torch.equal(variable.to_keras((tensor,)), value)


def test_a_square_kernel_is_turned_first_and_a_table_is_not():
    for name, attribute, turned in (("d.kernel", "weight", True), ("e.pos", "pos", False)):
        found = sources(holder(**{attribute: (4, 4)}))
        ((_, option),) = next(assignments([Need(name, (4, 4))], found))
        assert (option.axes == (1, 0)) is turned


def test_the_kernel_of_a_dense_layer_of_patches_fits_a_convolution():
    x, dense = torch.randn(2, 3, 4, 6), torch.randn(3 * 2 * 2, 5)
    (source,) = sources(holder(weight=(5, 3, 2, 2)))
    need = Need("embed.kernel", (12, 5))
    ((_, option),) = next(assignments([need], [source]))
    variable = variable_of(need, source, option)
    (kernel,) = variable.to_torch(dense)
    made = nn.functional.conv2d(x, kernel, stride=2).flatten(2).transpose(1, 2)
    patches = x.unfold(2, 2, 2).unfold(3, 2, 2).permute(0, 2, 3, 4, 5, 1).reshape(2, 6, 12)
    torch.testing.assert_close(made, patches @ dense)
    torch.testing.assert_close(variable.to_keras((kernel,)), dense)


def test_the_kernel_of_a_convolution_of_patches_fits_a_layer_of_unfolded_ones():
    x, kernel = torch.randn(2, 3, 4, 6), torch.randn(2, 2, 3, 5)
    (source,) = sources(holder(weight=(5, 12)))
    need = Need("embed.kernel", (2, 2, 3, 5))
    expected = nn.functional.conv2d(x, kernel.permute(3, 2, 0, 1), stride=2).flatten(2).mT
    unfolded = nn.functional.unfold(x, 2, stride=2).mT
    found = []
    for ((_, option),) in assignments([need], [source]):
        (weight,) = variable_of(need, source, option).to_torch(kernel)
        found.append(torch.allclose(unfolded @ weight.T, expected, atol=1e-5))
    assert found.count(True) == 1
