"""Operations of TensorFlow become nodes in their places; what cannot is named with its reason."""

from rows import each_row

from parity.weights.old_config import changed_rules, is_operation, operations_in, renewed_graph

IN = {"class_name": "InputLayer", "name": "in", "inbound_nodes": []}
IN["config"] = {"name": "in", "batch_input_shape": [None, 4], "dtype": "float32"}
WHOLE = {**IN, "name": "whole", "config": {**IN["config"], "name": "whole", "dtype": "int32"}}
DENSE = {"class_name": "Dense", "name": "dense", "config": {"dtype": "float32"}}
DENSE["inbound_nodes"] = [[["in", 0, 0, {}]]]


def op(name, function, *calls, kind="TFOpLambda"):
    config = {"name": name, "function": function, "dtype": "float32"}
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": list(calls)}


def shape_of(source):
    return op("tf.compat.v1.shape", "compat.v1.shape", [source, 0, 0, {"out_type": "int32"}])


def size(number, name="tf.__operators__.getitem"):
    call = ["tf.compat.v1.shape", 0, 0, {"slice_spec": number}]
    return op(name, "__operators__.getitem", call, kind="SlicingOpLambda")


def place(tensor):
    return tensor["config"]["keras_history"]


def only(found, name):
    (node,) = found.nodes[name]
    return node


def dtype_of(found, name):
    return found.returned[name, 0].output(0).dtype


def test_an_array_has_the_dtype_of_the_tensor_beside_it():
    for source, dtype in (("in", "float32"), ("whole", "int32")):
        node = op("a", "math.add", [source, 0, 0, {"y": [1, 2, 3, 4]}])
        assert only(operations_in([IN, WHOLE, node]), "a")["inbound_nodes"][0]["args"][1] == {
            "class_name": "__numpy__",
            "config": {"value": [1, 2, 3, 4], "dtype": dtype},
        }


def test_the_last_of_several_nodes_has_the_place_of_the_operation():
    unit = op("tf.math.l2_normalize", "math.l2_normalize", ["in", 0, 0, {"axis": 1}])
    last = op("tf.nn.relu", "nn.relu", ["tf.math.l2_normalize", 0, 0, {"name": None}])
    found = operations_in([IN, unit, last])
    kinds = [node["class_name"] for node in found.nodes["tf.math.l2_normalize"]]
    assert kinds == ["Square", "Sum", "Maximum", "Rsqrt", "Multiply"]
    (taken,) = only(found, "tf.nn.relu")["inbound_nodes"][0]["args"]
    assert place(taken) == ["tf_math_l2_normalize", 0, 0]
    names = [node["name"] for nodes in found.nodes.values() for node in nodes]
    assert len(set(names)) == len(names) == 6


def test_an_operation_that_is_called_twice_has_nodes_for_each():
    twice = op("a", "nn.relu", ["in", 0, 0, {}], ["dense", 0, 0, {}])
    found = operations_in([IN, DENSE, twice, op("b", "math.add", ["a", 0, 0, {"y": ["a", 1, 0]}])])
    assert [node["name"] for node in found.nodes["a"]] == ["a", "a_1"]
    taken = only(found, "b")["inbound_nodes"][0]["args"]
    assert [place(each) for each in taken] == [["a", 0, 0], ["a_1", 0, 0]]


def test_the_calls_of_a_model_are_counted_as_keras_3_counts():
    inner = {"class_name": "Functional", "name": "net", "inbound_nodes": [[["in", 0, 0, {}]]]}
    inner["config"] = {"layers": [IN, DENSE], "output_layers": [["dense", 0, 0]]}
    plus = op("a", "math.add", ["net", 1, 0, {"y": 1}])
    found = renewed_graph({"layers": [IN, inner, plus], "output_layers": [["a", 0, 0]]})
    assert place(found["layers"][-1]["inbound_nodes"][0]["args"][0]) == ["net", 0, 0]


@each_row(
    ("kind", "config", "dtype"),
    [
        ("Flatten", {"dtype": "float32"}, None),
        ("Embedding", {"dtype": "float32"}, "float32"),
        ("Embedding", {"dtype": {"class_name": "Policy", "config": {"name": "mixed_float16"}}},
         "float16"),
        ("Functional", {"layers": [WHOLE], "output_layers": [["whole", 0, 0]]}, "int32"),
        ("Sequential", {"layers": [IN, DENSE]}, "float32"),
    ],
)  # fmt: skip
def test_the_dtype_of_what_a_layer_makes_of_integers(kind, config, dtype):
    layer = {"class_name": kind, "name": "a", "config": config}
    layer["inbound_nodes"] = [[["whole", 0, 0, {}]]]
    negative = op("b", "math.negative", ["a", int("layers" in config), 0, {}])
    assert dtype_of(operations_in([WHOLE, layer, negative]), "b") == dtype


def test_a_batch_that_is_told_by_its_size_is_found_by_the_other_sizes():
    call = ["in", 0, 0, {"shape": [["tf.__operators__.getitem", 0, 0], 2, 2]}]
    found = operations_in([IN, shape_of("in"), size(0), op("a", "reshape", call)])
    assert only(found, "a")["config"] == {"name": "a", "newshape": [-1, 2, 2]}
    assert found.nodes["tf.compat.v1.shape"] == []
    assert not found.problems


def test_a_shape_with_the_number_of_samples_and_another_open_size_is_keras_s_layer():
    call = ["dense", 0, 0, {"shape": [["tf.__operators__.getitem", 0, 0], -1, 2]}]
    node = only(operations_in([IN, DENSE, shape_of("in"), size(0), op("a", "reshape", call)]), "a")
    assert (node["module"], node["class_name"]) == ("keras.layers", "Reshape")
    assert node["config"]["target_shape"] == [-1, 2]


def test_where_the_first_axis_is_not_that_of_the_samples_it_is_refused():
    turned = op("t", "compat.v1.transpose", ["in", 0, 0, {"perm": [1, 0]}])
    call = ["t", 0, 0, {"shape": [["tf.__operators__.getitem", 0, 0], -1, 2]}]
    found = operations_in([IN, turned, shape_of("in"), size(0), op("a", "reshape", call)])
    (told,) = found.problems
    assert "'reshape' of TensorFlow with several sizes that are known only when" in told


def test_the_width_of_a_layer_is_a_number_and_so_is_its_root():
    """The scores of an attention, over the root of the width of its keys."""
    width = size(-1)
    layers = [
        *(IN, {**DENSE, "config": {"units": 8, "dtype": "float32"}}, shape_of("split"), width),
        op("split", "reshape", ["dense", 0, 0, {"shape": [-1, 4, 2]}]),
        op("cast", "cast", ["tf.__operators__.getitem", 0, 0, {"dtype": "float32"}]),
        op("root", "math.sqrt", ["cast", 0, 0, {}]),
        op("scores", "math.truediv", ["dense", 0, 0, {"y": ["root", 0, 0], "name": None}]),
    ]
    found = operations_in(layers)
    assert not found.problems
    assert only(found, "scores")["inbound_nodes"][0]["args"][1] == 1.4142135381698608  # float32
    assert [found.nodes[name] for name in ("cast", "root")] == [[], []]


@each_row(
    ("layer", "told"),
    [
        (op("a", "nn.dropout", ["in", 0, 0, {"rate": 0.5}]), "'nn.dropout' of TensorFlow for"),
        (op("a", "nn.relu", ["in", 0, 0, {"leak": 0.5}]), "with leak=0.5: expected no such"),
        (op("a", "einsum", ["_CONSTANT_VALUE", -1, "ij->ji", {}]), "whose tensors Keras 2 did not"),
        (op("a", "__operators__.eq", ["in", 0, 0, {}]), "whose argument 'other' Keras 2 did not"),
        (op("a", "math.reduce_mean", ["whole", 0, 0, {}]), "of int32: expected floating point"),
        (op("a", "gather", ["in", 0, 0, {"indices": ["whole", 0, 0], "batch_dims": 1}]),
         "with batch_dims=1: expected 0"),
        (op("a", "__operators__.getitem", ["in", 0, 0, {"slice_spec": ["whole", 0, 0]}],
            kind="SlicingOpLambda"), "by places that are tensors"),
        (op("a", "image.resize", ["in", 0, 0, {"size": [2, 2], "method": "area"}]),
         "with method='area', which Keras 3 has not"),
        (op("a", "tile", ["in", 0, 0, {"multiples": [["whole", 0, 0], 1]}]),
         "with multiples that are tensors"),
        (op("a", "math.add", ["gone", 0, 0, {"y": ["late", 0, 0]}]), "whose tensors Keras 2 did"),
        (op("a", "math.add", ["a", 0, 0, {"y": 1}]), "which takes what is not in the file"),
        (op("a", "math.add", 3), "whose call cannot be read"),
        (op("a", "slice", ["in", 0, 0, {"begin": [0], "size": [1, 2]}]),
         "with arguments that TensorFlow does not take"),
        (op("a", "tile", ["_CONSTANT_VALUE", -1, [1.0], {"multiples": ["whole", 0, 0]}]),
         "of a constant: expected a tensor"),
        (op("a", "matmul", ["in", 0, 0, {"b": [["x"]]}]), "with tensors or texts in an array"),
    ],
)  # fmt: skip
def test_what_has_no_equal_is_refused_with_its_reason(layer, told):
    found = operations_in([IN, WHOLE, layer])
    assert len(found.problems) == 1
    assert told in found.problems[0]
    assert "a" not in found.nodes


def test_a_method_of_a_tensor_is_refused_by_its_name():
    method = {"class_name": "InstanceProperty", "name": "a", "config": {"attr_name": "T"}}
    method["inbound_nodes"] = [["in", 0, 0, {}]]
    assert is_operation(method)
    assert operations_in([IN, method]).problems == [
        "the operation 'T' of TensorFlow which is a method of a tensor"
    ]


def test_all_that_is_refused_is_told_and_what_takes_it_is_not():
    layers = [
        IN,
        op("a", "nn.dropout", ["in", 0, 0, {}]),
        op("b", "nn.relu", ["a", 0, 0, {}]),
        op("c", "nn.lrn", ["b", 0, 0, {}]),
        op("d", "audio.decode_wav", ["in", 0, 0, {}]),
    ]
    inner = {"class_name": "Functional", "config": {"name": "net", "layers": layers}}
    found = list(changed_rules({"class_name": "Functional", "config": {"layers": [inner]}}))
    assert [each.split("'")[1] for each in found] == ["nn.dropout", "audio.decode_wav"]
