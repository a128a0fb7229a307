"""The calls in a functional model of Keras 2 are those that Keras 3 reads."""

from rows import each_row

from parity.weights.old_config import (
    changed_rules,
    is_old,
    one_axis,
    renewed_graph,
    without_old_settings,
)

INPUT = {"class_name": "InputLayer", "name": "in", "config": {}, "inbound_nodes": []}


def graph(*layers, ends=(("out", 0, 0),)):
    return {
        "layers": [INPUT, *layers],
        "input_layers": [["in", 0, 0]],
        "output_layers": list(map(list, ends)),
    }


def call_of(found, name):
    (layer,) = (each for each in found["layers"] if each["name"] == name)
    return layer["inbound_nodes"][0]


def places(value):
    """Where the tensors of an argument come from, in the place of the tensors."""
    if isinstance(value, list):
        return [places(each) for each in value]
    return value["config"]["keras_history"]


def test_the_calls_of_a_model_in_a_model_are_counted_from_0():
    inner = {"class_name": "Sequential", "name": "net", "config": {"layers": [INPUT]}}
    inner["inbound_nodes"] = [[["in", 0, 0, {}]]]
    dense = {"class_name": "Dense", "name": "out", "config": {}}
    dense["inbound_nodes"] = [[["net", 1, 0, {}]]]
    found = renewed_graph(graph(inner, dense, ends=(("net", 2, 0), ("out", 0, 0))))
    assert places(call_of(found, "out")["args"]) == [["net", 0, 0]]
    assert found["output_layers"] == [["net", 1, 0], ["out", 0, 0]]


def test_the_states_that_a_recurrent_layer_begins_with_have_their_argument():
    nodes = [[["in", 0, 0, {}], ["a", 0, 1, {}], ["a", 0, 2, {}]]]
    first = {"class_name": "LSTM", "name": "a", "config": {}, "inbound_nodes": [[["in", 0, 0, {}]]]}
    lstm = {"class_name": "LSTM", "name": "out", "config": {}, "inbound_nodes": nodes}
    found = call_of(renewed_graph(graph(first, lstm)), "out")
    assert [each["config"]["keras_history"] for each in found["args"]] == [["in", 0, 0]]
    states = found["kwargs"]["initial_state"]
    assert [each["config"]["keras_history"] for each in states] == [["a", 0, 1], ["a", 0, 2]]


def test_a_model_at_the_end_is_counted_as_keras_3_counts_it():
    """Only the outputs of a model count the call that made a functional model."""
    inner = {"config": {"layers": [INPUT]}, "inbound_nodes": [[["in", 0, 0, {}]]]}
    first = {**inner, "class_name": "Functional", "name": "net"}
    last = {**inner, "class_name": "Sequential", "name": "out"}
    found = renewed_graph(graph(first, last, ends=(("net", 1, 0), ("out", 1, 0))))
    assert found["output_layers"] == [["net", 1, 0], ["out", 0, 0]]


def test_a_graph_of_keras_3_stays_as_it_is():
    dense = {"class_name": "Dense", "name": "out", "config": {}, "build_config": {"input_shape": 3}}
    dense["inbound_nodes"] = [{"args": [], "kwargs": {}}]
    assert renewed_graph(graph(dense)) == graph(dense)


def test_the_axis_of_a_batch_normalization_is_a_number():
    kind = "BatchNormalization"
    assert one_axis(kind, {"axis": [3], "epsilon": 1}) == {"axis": 3, "epsilon": 1}
    assert (one_axis(kind, {}), one_axis("Normalization", {"axis": [3]})) == ({}, {"axis": [3]})


def test_settings_of_keras_2_that_change_nothing_are_left_out_and_others_stay():
    gru = {"units": 2, "implementation": 2, "time_major": False}
    around = {"layer": {"class_name": "GRU", "config": gru}, "merge_mode": "sum"}
    found = without_old_settings("Bidirectional", around)
    assert found == {**around, "layer": {"class_name": "GRU", "config": {"units": 2}}}
    changing = {"time_major": True, "groups": 2, "newer": False}
    assert without_old_settings("GRU", changing) == changing
    assert without_old_settings("DepthwiseConv2D", {"groups": 1, "use_bias": False}) == {
        "use_bias": False
    }


@each_row(
    ("layer", "told"),
    [
        ({"activation": "hard_sigmoid"}, "hard_sigmoid of layer 'x', in Keras 2 clip"),
        ({"recurrent_activation": "hard_sigmoid"}, "hard_sigmoid of layer 'x'"),
    ],
)
def test_a_rule_that_changed_is_told_wherever_it_is(layer, told):
    inner = {"class_name": "LSTM", "config": {"name": "x", **layer}}
    (found,) = changed_rules({"config": {"layers": [inner]}})
    assert found.startswith(told)
    assert not list(changed_rules({"class_name": "LSTM", "config": {"activation": "sigmoid"}}))


def test_a_configuration_of_keras_2_is_known_by_its_inputs():
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3]}}
    assert is_old({"config": {"layers": [first]}})
    assert not is_old({"config": {"layers": [INPUT, 3, None]}})


def test_names_and_what_refers_to_them_are_renamed():
    dense = {"class_name": "Dense", "name": "a/b", "config": {}, "build_config": {}}
    dense["inbound_nodes"] = [[["in", 0, 0, {}]]]
    found = renewed_graph(graph(dense, ends=(("a/b", 0, 0),)), lambda x: x.replace("/", "_"))
    assert (found["output_layers"], found["layers"][1]["name"]) == (["a_b", 0, 0], "a_b")
    assert "build_config" not in found["layers"][1]
