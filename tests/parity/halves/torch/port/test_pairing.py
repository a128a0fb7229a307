"""Layers of two programs are paired by weights, shapes, kinds and names, in that order."""

import pytest
from rows import each_row

from parity.errors import InputError
from parity.halves.torch.port.pairing import exchanged, pair_calls


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
    shapes = {"depthwise": (3, 3, 8, 1), "pointwise": (1, 1, 8, 8)}
    pairs = zip(shapes.items(), kinds, strict=True)
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


def _branches(order, length=9):
    """Two chains of equal layers, which begin with layers of different shapes and end in a sum."""
    nodes, last = [], {}
    for name in order:
        branch, number = name[0], int(name[1:])
        made = dense(name, ({"a": 3, "b": 5}[branch], 4)[number > 0], 4)
        made["sources"] = [last.get(branch, -1)]
        last[branch] = len(nodes)
        nodes.append(made)
    total = node("sum", "add", (4, 4), (), [(4, 4), (4, 4)])
    return [*nodes, {**total, "sources": [last["a"], last["b"]]}]


def test_layers_far_from_what_differs_stay_in_the_branch_of_their_neighbours():
    steps = range(9)
    keras = _branches([f"{branch}{n}" for n in steps for branch in "ab"])
    torch = _branches([*(f"b{n}" for n in steps), *(f"a{n}" for n in steps)])
    for each in torch:
        each["name"] = f"port_{each['name']}"
    pairs, left, more = names(keras, torch)
    assert [theirs for _, theirs in pairs] == [f"port_{ours}" for ours, _ in pairs]
    assert (left, more) == ([], [])


def test_branches_of_one_input_are_told_apart_by_what_they_are_added_to():
    def program(prefix, first, second):
        """Each sum is of a layer that has an equal one, and of one that has none."""
        kinds = {"a": 3, "b": 6}
        nodes = []
        for name in (first, second):
            nodes += [
                {**dense(f"{prefix}{name}_equal", 5, 4), "sources": [-1]},
                {**dense(f"{prefix}{name}_other", kinds[name], 4), "sources": [-1]},
                {
                    **node(f"{prefix}{name}_sum", "add", (4, 4), (), [(4, 4), (4, 4)]),
                    "sources": [len(nodes), len(nodes) + 1],
                },
            ]
        joined = node(f"{prefix}all", "concatenate", (4, 8), (), [(4, 4), (4, 4)])
        order = (2, 5) if first == "a" else (5, 2)
        return [*nodes, {**joined, "sources": list(order)}]

    pairs, left, more = names(program("", "a", "b"), program("port_", "b", "a"))
    assert [theirs for _, theirs in pairs] == [f"port_{ours}" for ours, _ in pairs]
    assert (left, more) == ([], [])


def test_what_the_user_says_goes_first():
    keras = [dense("a", 5, 5), dense("b", 5, 5)]
    torch = [dense("0", 5, 5), dense("1", 5, 5)]
    pairs, left, more = names(keras, torch, {"a": "1"})
    assert ("a", "1") in pairs
    assert ("b", "0") in pairs
    assert (left, more) == ([], [])
    assert names(keras, torch, {"a": "1", "b": "0"})[0] == [("a", "1"), ("b", "0")]


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
    keras = [dense("a", 5, 5), dense("b", 5, 5)]
    with pytest.raises(InputError, match=message):
        pair_calls(keras, [dense("0", 5, 5), dense("1", 5, 5)], fixed)


def test_no_call_is_paired_twice_in_long_programs():
    keras = [layer for n in range(60) for layer in (dense(f"d{n}", 5, 5), act(f"r{n}", width=5))]
    torch = [layer for n in range(60) for layer in (act(f"{n}a", width=5), dense(f"{n}d", 5, 5))]
    found = pair_calls(keras, torch)
    assert len({b for _, b in found.pairs}) == len(found.pairs)
    rows = [a for a, b in found.pairs if keras[a]["weights"]]
    assert len(rows) == 60


def fed_by(layer, *sources):
    """A call with the numbers of the calls that feed it."""
    return {**layer, "sources": list(sources)}


PARTS = {
    "pooled": {
        "p": (node("pool", "max_pool", (4, 5)), dense("left", 5, 8)),
        "q": (node("pool_2", "max_pool", (4, 3)), dense("right", 3, 6)),
    },
    "activated": {
        "p": (dense("left", 5, 8), act("left_act")),
        "q": (dense("right", 3, 6), act("right_act", width=6)),
    },
}


def branches(parts, order):
    """Two branches of two calls each, in one order or the other."""
    found = []
    for which in order:
        first, second = PARTS[parts][which]
        found += [fed_by(first, -1), fed_by(second, len(found))]
    return found


@each_row("parts", PARTS)
def test_calls_without_weights_follow_the_layers_that_feed_them_or_are_fed(parts):
    keras, torch = branches(parts, "pq"), branches(parts, "qp")
    pairs, left, more = names(keras, torch)
    assert all(a == b for a, b in pairs)
    assert (len(pairs), left, more) == (4, [], [])


def test_what_takes_a_permuted_tensor_follows_the_layer_before():
    """Two dropouts of one shape, in branches that run in another order, with channels moved."""
    keras = [
        dense("a", 5, 8),
        dense("b", 5, 8),
        node("drop_b", "dropout"),
        node("drop_a", "dropout"),
    ]
    keras[2]["sources"], keras[3]["sources"] = [1], [0]
    torch = [dense("a", 5, 8), dense("b", 5, 8)]
    for number in range(2):
        permute = {**node(f"movedim{number}", "permute"), "sources": [number], "origins": [number]}
        drop = {**node(f"drop{number}", "dropout"), "sources": [len(torch)], "origins": [number]}
        torch += [permute, drop]
    pairs, *_ = names(keras, torch)
    assert ("drop_a", "drop0") in pairs
    assert ("drop_b", "drop1") in pairs


def test_of_several_takers_none_follows():
    """Which of them it would be, nobody can tell."""
    left = [dense("left", 5, 8), node("l_pool", "max_pool"), node("l_drop", "dropout")]
    right = [
        *[dense("right", 5, 6), node("r_pool", "average_pool", (4, 6))],
        node("r_drop", "dropout", (4, 6)),
    ]

    def half(first, second):
        found = [fed_by(first[0], -1), fed_by(first[1], 0)]
        found += [fed_by(second[0], -1), fed_by(second[1], 2)]
        return [*found, fed_by(first[2], 0), fed_by(second[2], 2)]

    pairs, left_over, _ = names(half(left, right), half(right, left))
    assert {("left", "left"), ("right", "right")} <= set(pairs)
    assert all(a == b for a, b in pairs)
    assert len(left_over) == 2  # one of each: the alignment keeps the order


def test_layers_of_one_shape_may_be_exchanged_and_no_others():
    keras = [dense("q", 5, 8), dense("k", 5, 8), act("k.activation"), dense("v", 5, 3)]
    torch = [dense("0", 5, 8), dense("1", 5, 8), act("2"), dense("3", 5, 3)]
    pairing = pair_calls(keras, torch, {})
    (other,) = exchanged(keras, torch, pairing, {})
    assert other.pairs == ((0, 1), (1, 0), (2, 2), (3, 3))
    assert list(exchanged(keras, torch, pairing, {"q": "0"})) == []


def branch(name, *end):
    return chained(dense(f"{name}1", 5, 8), act(f"{name}2"), dense(f"{name}3", 8, 5), *end)


def behind(first, second):
    """The nodes of two programs, one after the other."""
    moved = [s if s is None else s + len(first) for each in second for s in each["sources"]]
    return first + [{**each, "sources": [s]} for each, s in zip(second, moved, strict=True)]


def test_branches_of_the_same_shapes_are_told_by_their_last_activations():
    keras = behind(branch("shift"), branch("scale", act("scale4", "tanh", 5)))
    torch = behind(branch("s", act("s4", "tanh", 5)), branch("t"))
    # In the port something takes both; in Keras the code of a model does, which is not watched.
    both = {**node("mul", "multiply", (4, 5), (), [(4, 5), (4, 5)]), "sources": [3, 6]}
    pairs = {"shift": "t", "scale": "s"}
    found = dict(names(keras, [*torch, both])[0])
    assert found == {
        f"{keras_name}{n}": f"{torch_name}{n}"
        for keras_name, torch_name in pairs.items()
        for n in (1, 2, 3, 4)
        if (keras_name, n) != ("shift", 4)
    }


def test_another_activation_at_the_end_leaves_the_order():
    keras = behind(branch("first"), branch("second", act("second4", "tanh", 5)))
    torch = behind(branch("a"), branch("b", act("b4", "sigmoid", 5)))
    found = dict(names(keras, torch)[0])
    assert (found["first1"], found["second3"]) == ("a1", "b3")
    assert found["second4"] == "b4"


def joined_branches(order, joined, *, kind="concatenate"):
    """Two layers of one shape that run in one order, and are joined in another."""
    nodes = [dense(name, 5, 4) for name in order]
    for each in nodes:
        each["sources"] = [-1]
    merge = node("join", kind, (4, 8), (), [(4, 4)] * len(joined))
    merge["sources"] = [order.index(name) for name in joined]
    return [*nodes, merge]


def test_branches_of_one_shape_are_paired_by_the_places_at_which_they_are_joined():
    keras, torch = joined_branches("ba", "ab"), joined_branches("xy", "xy")
    assert names(keras, torch)[0][:2] == [("b", "y"), ("a", "x")]
    assert names(joined_branches("ab", "ab"), torch)[0][:2] == [("a", "x"), ("b", "y")]


def test_branches_that_are_added_are_paired_in_the_order_in_which_they_run():
    keras, torch = joined_branches("ba", "ab", kind="add"), joined_branches("xy", "xy", kind="add")
    assert names(keras, torch)[0][:2] == [("b", "x"), ("a", "y")]


def windows(order, joined, widths, sizes="345", *, bias=True):
    """Convolutions of several windows that run in one order, and are joined in another."""
    nodes = []
    for name in order:
        size, width = int(sizes["abc".index(name.lower())]), widths
        shapes = [(size, 6, width), *([(width,)] if bias else [])]
        nodes.append({**node(name, "conv", (4, 9, width), shapes, [(4, 9, 6)]), "sources": [-1]})
        pool = node(f"{name}.pool", "global_max_pool", (4, width), (), [(4, 9, width)])
        nodes.append({**pool, "sources": [len(nodes) - 1]})
    merge = node("join", "concatenate", (4, 3 * widths), (), [(4, widths)] * 3)
    merge["sources"] = [2 * order.index(name) + 1 for name in joined]
    return [*nodes, merge]


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
