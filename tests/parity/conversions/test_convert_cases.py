"""A module is right by what it computes; a refusal says its reason."""

import re
from functools import partial

import keras
import numpy as np
import pytest
import torch
from conversions import converted_model
from keras import layers as L
from keras import ops
from rows import each_row
from small_nets import Net
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

TABLE = np.linspace(-1, 1, 20).reshape(5, 4).astype("float32")


def model(body, shape=(4,), **options):
    x = keras.Input(shape, **options)
    return keras.Model(x, body(x))


def chain(*layers, shape):
    return lambda: keras.Sequential([keras.Input(shape), *(layer() for layer in layers)])


# --- shared layers, and what Keras leaves out ----------------------------------------------------


def twice_in_keras(make):
    """A layer that is called twice, before the end."""

    def build():
        layer = make()
        return model(lambda x: L.Dense(2)(layer(ops.tanh(layer(x)))))

    return build


shared_dense = twice_in_keras(lambda: L.Dense(4, name="shared"))
shared_norm = twice_in_keras(lambda: L.BatchNormalization(name="norm"))


def plain_norm():
    norm = L.BatchNormalization(scale=False, center=False, name="norm")
    return model(lambda x: L.Dense(2)(ops.tanh(norm(L.Dense(4)(x)))))


def shared_branch():
    row = [keras.Input((4,)), L.Dense(4), L.BatchNormalization(scale=False)]
    branch = keras.Sequential(row, name="branch")
    both = [keras.Input((4,), name="left"), keras.Input((4,), name="right")]
    return keras.Model(both, L.Dense(2)(L.Concatenate()([*map(branch, both)])))


def norm_of(scale=1.0):
    norm = nn.BatchNorm1d(4, eps=1e-3)
    nn.init.constant_(norm.weight, scale)
    return norm


def twice(first, second):
    """Two modules, or one that is called twice, before the end."""
    return nn.Sequential(first, nn.Tanh(), second, nn.Linear(4, 2))


def called_twice(module):
    return twice(module, module)


def normed(scale=1.0, **more):
    parts = {"first": nn.Linear(4, 4), "norm": norm_of(scale), "end": nn.Linear(4, 2)}
    return Net(lambda net, x: net.end(torch.tanh(net.norm(net.first(x)))), **parts, **more)


def branches(tied=True, scale=1.0):
    left, right = (nn.Sequential(nn.Linear(4, 4), norm_of(scale)) for _ in range(2))
    return Net(
        lambda net, a, b: net.end(torch.cat([net.left(a), net.right(b)], 1)),
        **{"left": left, "right": left if tied else right, "end": nn.Linear(8, 2)},
    )


SHARED = "with the same weights each time; the module has other parameters of these shapes "


# --- hints ---------------------------------------------------------------------------------------


def gated_model():
    x = keras.Input((5, 4))
    one, two = L.Conv1D(6, 2, name="one")(x), L.Conv1D(6, 2, name="two")(x)
    return keras.Model(x, L.Conv1D(2, 1, name="end")(ops.tanh(one) * ops.sigmoid(two)))


def gated(*sizes, **more):
    def forward(net, x):
        one, two = torch.cat([gate(x) for gate in net.gates], 1).chunk(2, 1)
        return net.end(one.tanh() * two.sigmoid())

    gates = nn.ModuleList(nn.Conv1d(4, size, 2) for size in sizes)
    return Net(forward, gates=gates, end=nn.Conv1d(6, 2, 1), **more)


def with_table():
    return model(lambda x: L.Dense(2)(L.Dense(3)(ops.tanh(ops.add(x, TABLE)))), (5, 4))


def table(values):
    parts = {"first": nn.Linear(4, 3), "end": nn.Linear(3, 2)}
    net = Net(lambda net, x: net.end(net.first(torch.tanh(x + net.table))), **parts)
    net.register_buffer("table", torch.as_tensor(values, dtype=torch.get_default_dtype()))
    return net


# --- constants that Keras rounds to float32 ------------------------------------------------------


def function_of(make):
    return lambda: model(lambda x: L.Dense(2)(make(L.Dense(5)(x))), (6,))


IMAGE = {"shape": (6, 6, 3)}
NORMAL = {"mean": [0.1, 0.2, 0.3], "variance": [0.2, 0.3, 0.7]}
ROUNDED = {
    "slope": chain(lambda: L.Dense(5), lambda: L.LeakyReLU(0.2), lambda: L.Dense(2), shape=(6,)),
    "steps": chain(
        lambda: L.TimeDistributed(L.Dense(5, activation="leaky_relu")),
        L.Flatten,
        lambda: L.Dense(2),
        shape=(4, 6),
    ),
    "limit": function_of(lambda x: L.ReLU(0.1, negative_slope=0.3)(x)),
    "scale": chain(lambda: L.Rescaling(1 / 255, -0.3), L.Flatten, lambda: L.Dense(2), **IMAGE),
    "normal": chain(lambda: L.Normalization(**NORMAL), L.Flatten, lambda: L.Dense(2), **IMAGE),
    "bell": function_of(lambda x: L.Activation("gelu")(x)),
    "large": chain(
        lambda: L.Conv2D(4, 3),
        lambda: L.UpSampling2D(2, interpolation="bilinear"),
        lambda: L.Conv2D(2, 3),
        **IMAGE,
    ),
    "bell of a tensor": function_of(lambda x: keras.activations.gelu(x)),
    "slope of a tensor": function_of(lambda x: keras.activations.relu(x, negative_slope=0.2)),
    "leak of a tensor": function_of(lambda x: ops.leaky_relu(x, 0.2)),
}


def between(function):
    return lambda: nn.Sequential(nn.Linear(6, 5), Net(lambda _, x: function(x)), nn.Linear(5, 2))


def before(function):
    return lambda: nn.Sequential(Net(lambda _, x: function(x)), nn.Flatten(), nn.Linear(108, 2))


def in_steps(slope):
    return lambda: nn.Sequential(
        nn.Linear(6, 5), nn.LeakyReLU(slope), nn.Flatten(), nn.Linear(20, 2)
    )


def normal(x, last=0.7):
    numbers = x.new_tensor([NORMAL["mean"], [0.2, 0.3, last]])
    mean, variance = numbers.view(2, 1, 3, 1, 1)
    return (x - mean) / variance.sqrt()


def limited(x, slope=0.3, most=0.1):
    return torch.where(x < 0, slope * x, x.clamp(max=most))


def large(**how):
    resized = partial(nn.Upsample, scale_factor=2, mode="bilinear", **how)
    return lambda: nn.Sequential(nn.Conv2d(3, 4, 3), resized(), nn.Conv2d(4, 2, 3))


def leaking(slope):
    return between(partial(F.leaky_relu, negative_slope=slope))


OTHER_BELL = between(lambda x: F.gelu(x, approximate="tanh"))


# --- the last activation of an output ------------------------------------------------------------

STEPS = (4, 5)  # of a sequence
ENDS = {
    "setting": ((5,), lambda x: L.Dense(1, activation="sigmoid")(x)),
    "layer": ((5,), lambda x: L.Activation("sigmoid")(L.Dense(1)(x))),
    "operation": ((5,), lambda x: ops.sigmoid(L.Dense(1)(x))),
    "function": ((5,), lambda x: keras.activations.sigmoid(L.Dense(1)(x))),
    "steps": (STEPS, lambda x: L.TimeDistributed(L.Dense(1, activation="sigmoid"))(x)),
    "softmax of steps": (STEPS, lambda x: L.TimeDistributed(L.Dense(3, activation="softmax"))(x)),
    "softmax operation": ((5,), lambda x: ops.softmax(L.Dense(3)(x))),
}
NOTHING, SIGMOID = nn.Identity, nn.Sigmoid


def ending(*ends, size=1):
    """A linear layer for each output, and what follows it."""

    def forward(net, x):
        found = tuple(row(x) for row in net.rows)
        return found if ends[1:] else found[0]

    def build():
        rows = [nn.Sequential(nn.Linear(5, size), end()) for end in ends]
        return Net(forward, rows=nn.ModuleList(rows))

    return build


def three():
    """Outputs of one shape: two end with a sigmoid, and the one between them does not."""
    x = keras.Input((5,))
    first = L.Dense(1, activation="sigmoid")(x)
    return keras.Model(x, [first, L.Dense(1)(x), ops.sigmoid(L.Dense(1)(x))])


def of_ends(name, shape, body):
    size = 3 if "softmax" in name else 1
    right = partial(nn.Softmax, -1) if size == 3 else SIGMOID
    told = {NOTHING: [], right: [], nn.Tanh: ["differs by"]}
    build = partial(model, body, shape)
    return [(build, ending(end, size=size), said) for end, said in told.items()]


# --- padding -------------------------------------------------------------------------------------


def words(*, mask_zero=True, sequences=False, ends=1):
    given = keras.Input((7,), dtype="int32")
    x = L.Embedding(9, 4, mask_zero=mask_zero, name="table")(given)
    x = L.LSTM(5, return_sequences=sequences)(x)
    return keras.Model(given, [L.Dense(n + 2)(x) for n in range(ends)])


def packed(*, masks=True, sequences=False, ends=1):
    """With masks: as packed sequences. Without: token 0 is a token like others."""

    def forward(net, tokens):
        x, lengths = net.table(tokens), (tokens != 0).sum(1)
        if masks:
            x = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        every, (last, _) = net.memory(x)
        if sequences and masks:
            every, _ = rnn.pad_packed_sequence(every, batch_first=True, total_length=7)
        made = tuple(end(every if sequences else last[0]) for end in net.ends)
        return made if ends > 1 else made[0]

    parts = {"table": nn.Embedding(9, 4), "memory": nn.LSTM(4, 5, batch_first=True)}
    return Net(forward, **parts, ends=nn.ModuleList(nn.Linear(5, n + 2) for n in range(ends)))


def masked_mean(filler):
    """Masking sets what it leaves out to 0, of which the mean takes nothing."""
    masking = [] if filler is None else [partial(L.Masking, filler)]
    dense = partial(L.Dense, 4, activation="tanh")
    return chain(*masking, dense, L.GlobalAveragePooling1D, shape=(6, 3))()


def mean_of_steps(filler):
    """A mean over the steps that are not filled up, or over all of them."""

    def forward(net, x):
        counts = (x != (torch.inf if filler is None else filler)).any(-1, keepdim=True).to(x)
        return (torch.tanh(net.dense(x)) * counts).sum(1) / counts.sum(1)

    return Net(forward, dense=nn.Linear(3, 4))


# --- limits of activations, and several outputs --------------------------------------------------


def limited_model(name):
    layers = [partial(L.Dense, 6, activation=name, name=each) for each in ("one", "two")]
    return chain(*layers, partial(L.Dense, 3, activation="softmax"), shape=(5,))


def limits(first, second):
    parts = {"one": (5, 6), "two": (6, 6), "end": (6, 3)}
    return lambda: Net(
        lambda net, x: net.end(second(net.two(first(net.one(x))))),
        **{name: nn.Linear(*sizes) for name, sizes in parts.items()},
    )


# Name -> the activation, one with other limits, and what is said of that.
LIMITS = {
    "relu6": (F.relu6, F.relu, ["beyond the limits of activations.*in one.*in two"]),
    "hard_sigmoid": (
        F.hardsigmoid,
        lambda x: x / 6 + 0.5,
        ["beyond the limits of activations.*in one.*in two"],
    ),
    "hard_silu": (F.hardswish, lambda x: x * (x + 3) / 6, ["differs"]),
    "hard_tanh": (F.hardtanh, lambda x: x, ["differs"]),
    "relu": (F.relu, F.relu6, ["beyond the limits of activations"]),
}


def two_outputs():
    """A vector, and an image behind a sigmoid."""
    given = keras.Input((4, 4, 3))
    x = L.Conv2D(4, 3, padding="same", use_bias=False)(given)
    mask = L.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    return keras.Model(given, [L.Dense(2, name="vector")(L.Flatten()(x)), mask])


def with_mask(last):
    def forward(net, x):
        x = net.conv(x)
        return net.vector(x.flatten(1)), last(net.mask(x))

    conv = partial(nn.Conv2d, 3, 4, 3, padding=1, bias=False)
    return lambda: Net(forward, conv=conv(), mask=nn.Conv2d(4, 1, 1), vector=nn.Linear(64, 2))


IGNORED = [r"where sequences end with padding.*token 0 \(table with mask_zero=True\)"]
MASKING = ["of the class Masking"]
FEW = ["differs by"]
# Family -> rows of a Keras model, a torch factory, and what its problems say; none: it is right.
CASES = {
    "shared": [
        (shared_dense, lambda: called_twice(nn.Linear(4, 4)), []),
        (
            shared_dense,
            lambda: twice(nn.Linear(4, 4), nn.Linear(4, 4)),
            [rf"the layer 'shared' 2 times, {SHARED}\(0.*\): call one module 2 times"],
        ),
        # Both begin with ones, and only one of them gets the weights of the file.
        (shared_norm, lambda: twice(norm_of(), norm_of()), ["the layer 'norm' 2 times"]),
        (plain_norm, normed, ["norm.weight", "norm.bias"]),
        (plain_norm, partial(normed, scale=1.5), ["norm.weight"]),
        (
            plain_norm,
            lambda: normed(more=nn.BatchNorm1d(4)),
            ["^more.weight, more.bias are filled by no weight$"],
        ),
        (shared_branch, branches, ["left.1.weight"]),
        (shared_branch, partial(branches, tied=False), ["2 times, with.* 2 times, with"]),
        (
            shared_branch,
            partial(branches, scale=1.5),
            [r"^left.1.weight is filled by no weight \| .*differs by"],
        ),
    ],
    "hints": [
        (gated_model, lambda: gated(6, 6), []),
        (
            gated_model,
            lambda: gated(12),
            [
                "gates.0.weight has room for several of one.kernel, two.kernel: a convolution in "
                "the place of several of Keras is not taken apart; write it as a module for each"
            ],
        ),
        (
            gated_model,
            lambda: gated(6, 6, more=nn.Conv1d(4, 12, 2)),
            ["^more.weight, more.bias are filled by no weight$"],
        ),
        (with_table, lambda: table(TABLE), ["table"]),
        (
            with_table,
            lambda: table(0 * TABLE),
            [
                r"differs by.* \| the output depends on table, which is all zeros, as the factory "
                "makes it: if the Keras program has an array there, the factory has to fill it"
            ],
        ),
        (with_table, lambda: table(2 * TABLE), ["^[^|]*differs by[^|]*$"]),
    ],
    "constants": [
        (ROUNDED["slope"], leaking(0.2), []),
        (ROUNDED["slope"], between(lambda x: torch.maximum(x, 0.2 * x)), []),
        (ROUNDED["slope"], leaking(0.200001), FEW),
        (ROUNDED["steps"], in_steps(0.2), []),
        (ROUNDED["steps"], in_steps(0.2001), FEW),
        (ROUNDED["limit"], between(limited), []),
        (ROUNDED["limit"], between(partial(limited, most=0.1001)), FEW),
        (ROUNDED["limit"], between(partial(limited, slope=0.3001)), FEW),
        (ROUNDED["scale"], before(lambda x: x / 255 - 0.3), []),
        (ROUNDED["scale"], before(lambda x: x / 254 - 0.3), FEW),
        (ROUNDED["scale"], before(lambda x: x / 255 - 0.3001), FEW),
        (ROUNDED["normal"], before(normal), []),
        (ROUNDED["normal"], before(partial(normal, last=0.7001)), FEW),
        (ROUNDED["bell"], between(F.gelu), []),
        (ROUNDED["bell"], OTHER_BELL, FEW),
        (ROUNDED["bell of a tensor"], between(F.gelu), []),
        (ROUNDED["bell of a tensor"], OTHER_BELL, FEW),
        (ROUNDED["slope of a tensor"], leaking(0.2), []),
        (ROUNDED["slope of a tensor"], leaking(0.200001), FEW),
        (ROUNDED["leak of a tensor"], leaking(0.2), []),
        (ROUNDED["large"], large(), []),
        (ROUNDED["large"], large(align_corners=True), FEW),
    ],
    "last activation": [
        *(row for name in ENDS for row in of_ends(name, *ENDS[name])),
        (three, ending(SIGMOID, NOTHING, SIGMOID), []),
        (three, ending(NOTHING, NOTHING, SIGMOID), []),
        (three, ending(SIGMOID, NOTHING, NOTHING), []),
        (three, ending(NOTHING, NOTHING, NOTHING), []),
        (three, ending(SIGMOID, SIGMOID, SIGMOID), FEW),
    ],
    "limits": [
        row
        for name, (right, wrong, told) in LIMITS.items()
        for row in (
            (limited_model(name), limits(right, right), []),
            (limited_model(name), limits(wrong, right), told),
            (limited_model(name), limits(right, wrong), told),
        )
    ],
    "image beside a vector": [
        (two_outputs, with_mask(torch.sigmoid), []),
        (two_outputs, with_mask(lambda x: x), []),
        (two_outputs, with_mask(F.hardsigmoid), FEW),
    ],
    # What packed sequences have at masked steps is free: zeros, where Keras repeats the last one.
    "padding": [
        *(
            (partial(words, **given), partial(packed, **given), [])
            for given in ({}, {"ends": 2}, {"sequences": True}, {"ends": 2, "sequences": True})
        ),
        (words, partial(packed, masks=False), IGNORED),
        (partial(words, ends=2), partial(packed, masks=False, ends=2), IGNORED),
        # A memory that walks forward has not seen the padding at the end.
        (partial(words, sequences=True), partial(packed, masks=False, sequences=True), []),
        (partial(words, mask_zero=False), partial(packed, masks=False), []),
        (partial(words, mask_zero=False), packed, ["Keras masks no token here"]),
        *(
            (partial(masked_mean, filler), partial(mean_of_steps, other), told)
            for filler in (0.0, -1.0)
            for other, told in ((filler, []), (None, MASKING))
        ),
        (partial(masked_mean, None), partial(mean_of_steps, None), []),
    ],
}


@pytest.mark.parametrize("family", CASES)
def test_what_a_module_computes_decides_and_a_refusal_says_why(family, tmp_path):
    for number, (build, factory, told) in enumerate(CASES[family]):
        keras.utils.set_random_seed(4)
        done = converted_model(build(), factory, tmp_path / f"{family} {number}")
        row = f"row {number} of {family}: {done.problems}"
        told = [] if told == done.constants else told  # which keep the values of the factory
        assert (done.is_written, bool(done.problems)) == (not told, bool(told)), row
        text = " | ".join(done.problems)
        assert all(re.search(pattern, text) for pattern in told), row
        # Keras's rounding of a constant, 2**-24 of it, shows: they are not computed alike.
        assert told or done.error < 1e-6, row


@each_row("seed", range(6))
def test_the_sigmoid_of_steps_is_found_whatever_its_last_bit_is(seed, tmp_path):
    """Of all steps at once, a processor may round otherwise than of one step."""
    keras.utils.set_random_seed(seed)
    last = L.TimeDistributed(L.Dense(1, activation="sigmoid"), name=f"steps_{seed}")
    done = converted_model(model(last, (7, 5)), ending(NOTHING), tmp_path)
    assert done.problems == []
