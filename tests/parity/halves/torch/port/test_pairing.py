"""Layers of two programs are paired by weights, shapes, kinds and names, in that order."""

import codecs

import pytest
from rows import each_row

from parity.errors import InputError
from parity.halves.torch.port.pairing import Neighbourhoods, exchanged, pair_calls


def node(name, kind, output=(4, 8), weights=(), inputs=((4, 5),)):
    """A Keras node; `keras` and `torch` of it are the two forms."""
    return {
        "name": name,
        "kind": kind,
        "output_shape": list(output),
        "output_shapes": [list(output)],
        "input_shapes": [list(shape) for shape in inputs],
        "input_forms": [[list(shape)] for shape in inputs],
        "weights": {f"w{n}": list(shape) for n, shape in enumerate(weights)},
        "sources": [],
    }


def dense(name, fan_in, fan_out, kind="dense"):
    return node(name, kind, (4, fan_out), [(fan_in, fan_out), (fan_out,)], [(4, fan_in)])


def act(name, kind="relu", width=8):
    return node(name, f"activation:{kind}", (4, width), (), [(4, width)])


def names(keras, torch, fixed=None):
    found = pair_calls(keras, torch, fixed)
    return (
        [(keras[a]["name"], torch[b]["name"]) for a, b in found.pairs],
        [keras[n]["name"] for n in found.keras_left],
        [torch[n]["name"] for n in found.torch_left],
    )


def chained(*nodes):
    """The nodes, each fed by the one before; the first by what is not watched."""
    return [{**each, "sources": [n - 1 if n else None]} for n, each in enumerate(nodes)]


def parts(name, kinds=("depthwise_conv", "conv")):
    """The two convolutions of a separable one."""
    pairs = zip({"depthwise": (3, 3, 8, 1), "pointwise": (1, 1, 8, 8)}.items(), kinds, strict=True)
    return [node(f"{name}.{part}", kind, weights=[shape]) for (part, shape), kind in pairs]


def of_parts(wrapper):
    names = [(name, part) for name in ("left", "right") for part in ("depthwise", "pointwise")]
    return [(f"{name}.{part}", f"net.{name}{wrapper}.{part}") for name, part in names]


CONVS = ("conv", "conv")
# What is told -> the nodes of Keras, those of torch, and the pairs; all others are left.
CASES = {
    "the same program is paired in order": (
        [dense("a", 5, 8), act("a.activation"), dense("b", 8, 8), act("b.activation")],
        [dense("0", 5, 8), act("1"), dense("2", 8, 8), act("3")],
        [("a", "0"), ("a.activation", "1"), ("b", "2"), ("b.activation", "3")],
    ),
    "branches in another order by their weights": (
        [dense("left", 5, 8), dense("right", 5, 3), dense("top", 11, 2)],
        [dense("r", 5, 3), dense("l", 5, 8), dense("t", 11, 2)],
        [("left", "l"), ("right", "r"), ("top", "t")],
    ),
    "names decide between equal layers": (
        [dense("first", 5, 5), dense("second", 5, 5)],
        [dense("net.extra", 5, 5), dense("net.first", 5, 5), dense("net.second", 5, 5)],
        [("first", "net.first"), ("second", "net.second")],
    ),
    "a shared layer at every call": (
        [dense("d", 5, 5), act("r", width=5), dense("d#2", 5, 5)],
        [dense("fc", 5, 5), act("relu()", width=5), dense("fc#2", 5, 5)],
        [("d", "fc"), ("r", "relu()"), ("d#2", "fc#2")],
    ),
    "what has no partner is left": (
        [dense("a", 5, 8), node("drop", "dropout"), dense("b", 8, 2)],
        [dense("0", 5, 8), node("permute()", "permute"), dense("1", 8, 2)],
        [("a", "0"), ("b", "1")],
    ),
    "another activation is still the partner": (
        [dense("a", 5, 8), act("a.activation", "relu"), dense("b", 8, 2)],
        [dense("0", 5, 8), act("1", "tanh"), dense("2", 8, 2)],
        [("a", "0"), ("a.activation", "1"), ("b", "2")],
    ),
    "weights of another shape where nothing fits better": (
        [dense("a", 5, 8), dense("b", 8, 2)],
        [dense("0", 5, 8), dense("1", 8, 3)],
        [("a", "0"), ("b", "1")],
    ),
    "layers of the user whose weights fit": (
        [dense("a", 5, 8), dense("b", 8, 2)],
        [dense("own", 5, 8, "unknown:Own"), dense("other", 8, 2, "unknown:Other")],
        [("a", "own"), ("b", "other")],
    ),
    "a layer of the user whose weights do not": (
        [dense("a", 5, 8), dense("b", 8, 2)],
        [dense("own", 5, 7, "unknown:Own"), dense("other", 8, 2)],
        [("b", "other")],
    ),
    "a sum of three is no sum of two": (
        [node("add", "add", inputs=[(4, 8)] * 3)],
        [node("add()", "add", inputs=[(4, 8)] * 2), node("add()#2", "add", inputs=[(4, 8)] * 2)],
        [],
    ),
    "nothing and nothing": ([], [], []),
    "a layer and nothing": ([dense("a", 1, 1)], [], []),
    "nothing and a layer": ([], [act("0")], []),
    "branches of the same shapes by their names": (
        [dense("main", 5, 5), dense("shortcut", 5, 5), dense("last", 5, 2)],
        [dense("block.shortcut", 5, 5), dense("block.main", 5, 5), dense("last", 5, 2)],
        [("main", "block.main"), ("shortcut", "block.shortcut"), ("last", "last")],
    ),
    "parts of layers in another order by their names": (
        [*parts("left"), *parts("right")],
        [*parts("net.right.layer"), *parts("net.left.layer")],
        of_parts(".layer"),
    ),
    "parts of equal layers by the names of their layers": (
        [*parts("left", CONVS), *parts("right", CONVS)],
        [*parts("net.right", CONVS), *parts("net.left", CONVS)],
        of_parts(""),
    ),
    "parts of equal layers in wrappers": (
        [*parts("left", CONVS), *parts("right", CONVS)],
        [*parts("net.right.layer", CONVS), *parts("net.left.layer", CONVS)],
        of_parts(".layer"),
    ),
    "a name that two calls have tells nothing": (
        [dense("main", 5, 5), dense("other", 5, 5)],
        [dense("a.main", 5, 5), dense("b.main", 5, 5)],
        [("main", "a.main"), ("other", "b.main")],
    ),
    "a part of another layer is not told by its name": (
        [dense("left.query", 5, 5), dense("right.query", 5, 5)],
        [dense("b.query", 5, 5), dense("query.left", 5, 5)],
        [("left.query", "b.query"), ("right.query", "query.left")],
    ),
    "a name does not make up for weights of another shape": (
        [dense("first", 5, 7), dense("second", 7, 5)],
        [dense("second", 5, 7), dense("first", 7, 5)],
        [("first", "second"), ("second", "first")],
    ),
    "the flow pairs no other shapes with other neighbours": (
        chained(dense("a", 5, 8), act("r"), dense("b", 8, 2)),
        [dense("x", 9, 7), node("c", "conv", (4, 3), [(3, 7, 3)])],
        [("a", "x")],
    ),
    **{
        f"{one} and {other} are one thing": ([node("a", one)], [node("0", other)], [("a", "0")])
        for one, other in (
            ("flatten", "reshape"),
            ("activation:softmax", "activation:log_softmax"),
            ("global_average_pool", "average_pool"),
            ("conv", "depthwise_conv"),
        )
    },
    **{
        f"{one} and {other} are two things": ([node("a", one)], [node("0", other)], [])
        for one, other in (
            *(("dropout", "flatten"), ("max_pool", "average_pool")),
            *(("add", "multiply"), ("x", "unknown:X")),
        )
    },
}


@each_row("keras, torch, expected", CASES.values(), ids=CASES)
def test_layers_are_paired_by_weights_shapes_kinds_and_names(keras, torch, expected):
    pairs, keras_left, torch_left = names(keras, torch)
    assert sorted(pairs) == sorted(expected)
    assert keras_left == [each["name"] for each in keras if each["name"] not in dict(pairs)]
    assert torch_left == [
        each["name"] for each in torch if each["name"] not in dict(pairs).values()
    ]


def program(nodes, order, *, is_port=False):
    """Calls in an order; of each a node, and the names of what feeds it. A port has other names."""
    made = {each["name"]: (each, fed) for each, *fed in nodes}
    places = {name: number for number, name in enumerate(order)}
    return [
        {
            **made[name][0],
            "name": codecs.encode(name, "rot13") if is_port else name,
            "sources": [places.get(source, -1) for source in made[name][1]],
        }
        for name in order
    ]


def merged(name, kind, *fed):
    return (node(name, kind, (4, 4), (), [(4, 4)] * len(fed)), *fed)


def chain_of(name, width, length=9):
    """Equal layers, of which the first one has a width of its own."""
    return [
        (dense(f"{name}{n}", 4 if n else width, 4), *([f"{name}{n - 1}"] if n else []))
        for n in range(length)
    ]


LONG = [*chain_of("a", 3), *chain_of("b", 5), merged("sum", "add", "a8", "b8")]
SUMS = [
    # Each sum is of a layer that has an equal one, and of one that has none.
    *[(dense("equal", 5, 4),), (dense("other", 3, 4),), merged("sum", "add", "equal", "other")],
    *[(dense("equally", 5, 4),), (dense("odd", 6, 4),), merged("sums", "add", "equally", "odd")],
    merged("all", "concatenate", "sum", "sums"),
]
POOLED = [
    *[(node("pool", "max_pool", (4, 5)),), (dense("left", 5, 8), "pool")],
    *[(node("pools", "max_pool", (4, 3)),), (dense("right", 3, 6), "pools")],
]
ACTIVATED = [
    *[(dense("left", 5, 8),), (act("bend"), "left")],
    *[(dense("right", 3, 6),), (act("bends", width=6), "right")],
]
ENDED = [
    *[(dense("u", 5, 8),), (act("uact"), "u"), (dense("ulast", 8, 5), "uact")],
    *[(dense("v", 5, 8),), (act("vact"), "v"), (dense("vlast", 8, 5), "vact")],
    (act("vend", "tanh", 5), "vlast"),
    merged("mul", "multiply", "ulast", "vend"),
]
JOINED = [(dense("p", 5, 4),), (dense("q", 5, 4),), merged("join", "concatenate", "p", "q")]
# What tells branches apart -> the calls, and their order in Keras and in the port.
REORDERED = {
    "neighbours far away": (
        LONG,
        [*(f"{branch}{n}" for n in range(9) for branch in "ab"), "sum"],
        [*(f"b{n}" for n in range(9)), *(f"a{n}" for n in range(9)), "sum"],
    ),
    "what they are added to": (
        SUMS,
        ["equal", "other", "sum", "equally", "odd", "sums", "all"],
        ["equally", "odd", "sums", "equal", "other", "sum", "all"],
    ),
    "the layers that pools feed": (
        *(POOLED, ["pool", "left", "pools", "right"], ["pools", "right", "pool", "left"]),
    ),
    "the layers that feed activations": (
        *(ACTIVATED, ["left", "bend", "right", "bends"], ["right", "bends", "left", "bend"]),
    ),
    # In Keras the code of a model takes both, which is not watched.
    "their last activations": (
        ENDED,
        ["u", "uact", "ulast", "v", "vact", "vlast", "vend"],
        ["v", "vact", "vlast", "vend", "u", "uact", "ulast", "mul"],
    ),
    "the places at which they are joined": (JOINED, ["q", "p", "join"], ["p", "q", "join"]),
    "nothing, where they are in order": (JOINED, ["p", "q", "join"], ["p", "q", "join"]),
}


@each_row("nodes, order, other", REORDERED.values(), ids=REORDERED)
def test_branches_in_another_order_are_paired_with_their_own(nodes, order, other):
    keras, torch = program(nodes, order), program(nodes, other, is_port=True)
    pairs, left, more = names(keras, torch)
    assert dict(pairs) == {name: codecs.encode(name, "rot13") for name in order}
    assert (left, len(more)) == ([], len(other) - len(order))


def test_a_sum_of_three_may_be_two_sums():
    """Two layers are told apart by what they are added to alone."""
    layers = [
        (dense(name, width, 4),) for name, width in zip("pabqcd", (5, 3, 6, 5, 7, 9), strict=True)
    ]
    end = merged("all", "concatenate", "s", "t")
    of_three = [*layers, merged("s", "add", *"pab"), merged("t", "add", *"qcd"), end]
    firsts = [merged("u", "add", *"pa"), merged("v", "add", *"qc")]
    of_two = [*layers, *firsts, merged("s", "add", *"ub"), merged("t", "add", *"vd"), end]
    keras = program(of_three, [*"pabsqcdt", "all"])
    pairs = dict(names(keras, program(of_two, [*"qcvdtpaubs", "all"], is_port=True))[0])
    assert (pairs["p"], pairs["q"]) == (codecs.encode("p", "rot13"), codecs.encode("q", "rot13"))


def test_branches_that_are_added_are_paired_in_the_order_in_which_they_run():
    nodes = [*JOINED[:2], merged("join", "add", "p", "q")]
    keras = program(nodes, ["q", "p", "join"])
    torch = program(nodes, ["p", "q", "join"], is_port=True)
    firsts = [("q", codecs.encode("p", "rot13")), ("p", codecs.encode("q", "rot13"))]
    assert names(keras, torch)[0][:2] == firsts


A_B = [dense("a", 5, 5), dense("b", 5, 5)]
NUMBERED = [dense("0", 5, 5), dense("1", 5, 5)]


@each_row("fixed", [{"a": "1"}, {"a": "1", "b": "0"}])
def test_what_the_user_says_goes_first(fixed):
    assert names(A_B, NUMBERED, fixed) == ([("a", "1"), ("b", "0")], [], [])


@each_row(
    "fixed, message",
    [
        ({"c": "0"}, "there is no Keras call 'c'; expected one of a, b"),
        ({"a": "7"}, "there is no torch call '7'; expected one of 0, 1"),
        ({"a": "0", "b": "0"}, "one torch call is given for two layers"),
    ],
    ids=["keras", "torch", "twice"],
)
def test_what_the_user_says_has_to_be_there(fixed, message):
    with pytest.raises(InputError, match=message):
        pair_calls(A_B, NUMBERED, fixed)


def test_no_call_is_paired_twice_in_long_programs():
    keras = [layer for n in range(60) for layer in (dense(f"d{n}", 5, 5), act(f"r{n}", width=5))]
    torch = [layer for n in range(60) for layer in (act(f"{n}a", width=5), dense(f"{n}d", 5, 5))]
    found = pair_calls(keras, torch)
    assert len({b for _, b in found.pairs}) == len(found.pairs)
    assert len([a for a, _ in found.pairs if keras[a]["weights"]]) == 60


def fed_by(layer, *sources):
    """A call with the numbers of the calls that feed it."""
    return {**layer, "sources": list(sources)}


def test_what_takes_a_permuted_tensor_follows_the_layer_before():
    """Two dropouts of one shape, in branches that run in another order, with channels moved."""
    keras = [
        dense("a", 5, 8),
        dense("b", 5, 8),
        fed_by(node("drop_b", "dropout"), 1),
        fed_by(node("drop_a", "dropout"), 0),
    ]
    torch = [dense("a", 5, 8), dense("b", 5, 8)]
    for number in range(2):
        permute = {**node(f"movedim{number}", "permute"), "sources": [number], "origins": [number]}
        drop = {**node(f"drop{number}", "dropout"), "sources": [len(torch)], "origins": [number]}
        torch += [permute, drop]
    assert {("drop_a", "drop0"), ("drop_b", "drop1")} <= {*names(keras, torch)[0]}


def test_a_signature_of_many_neighbours_is_no_longer_in_each_round():
    """x = x + conv(x), again and again: each convolution follows all before it."""
    conv = node("conv", "conv", weights=[(3, 3)])
    nodes = [fed_by(conv, -1)]
    for last in range(0, 80, 2):
        nodes += [fed_by(conv, last), fed_by(node("add", "add"), last, last + 1)]
    found = Neighbourhoods(nodes).signatures({})
    longest = [max(len(repr(signature)) for signature in each.values()) for each in found]
    assert max(longest) < 200 * 42  # a line for each neighbour


def test_layers_of_one_shape_may_be_exchanged_and_no_others():
    keras = [dense("q", 5, 8), dense("k", 5, 8), act("k.activation"), dense("v", 5, 3)]
    torch = [dense("0", 5, 8), dense("1", 5, 8), act("2"), dense("3", 5, 3)]
    pairing = pair_calls(keras, torch, {})
    (other,) = exchanged(keras, torch, pairing, {})
    assert other.pairs == ((0, 1), (1, 0), (2, 2), (3, 3))
    assert list(exchanged(keras, torch, pairing, {"q": "0"})) == []


def windows(order, joined, widths, sizes="345", *, bias=True):
    """Convolutions of several windows that run in one order, and are joined in another."""
    nodes = []
    for name in order:
        size, width = int(sizes["abc".index(name.lower())]), widths
        shapes = [(size, 6, width), *([(width,)] if bias else [])]
        nodes.append(fed_by(node(name, "conv", (4, 9, width), shapes, [(4, 9, 6)]), -1))
        pool = node(f"{name}.pool", "global_max_pool", (4, width), (), [(4, 9, width)])
        nodes.append(fed_by(pool, len(nodes) - 1))
    merge = node("join", "concatenate", (4, 3 * widths), (), [(4, widths)] * 3)
    return [*nodes, fed_by(merge, *(2 * order.index(name) + 1 for name in joined))]


@each_row(
    "port",
    [
        windows("CBA", "ABC", 5, bias=False),
        windows("BCA", "ABC", 5, bias=False),
        windows("CAB", "ABC", 7),
        windows("CBA", "ABC", 7, bias=False),
        windows("CAB", "ABC", 5, "267"),
        windows("BCA", "ABC", 5, "355"),
    ],
    ids=["bias", "bias in another order", "filters", "both", "windows", "one window"],
)
def test_branches_with_wrong_weights_are_paired_by_windows_and_by_where_they_are_joined(port):
    """Their order in either half says nothing."""
    for order in ("abc", "cba", "bac"):
        found = dict(names(windows(order, "abc", 5), port)[0])
        assert [found[name] for name in "abc"] == ["A", "B", "C"]
