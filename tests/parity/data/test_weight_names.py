"""Names of weights."""

from rows import each_row

from parity.data.probe_inputs import constraint_of, short_name


@each_row("weight", ["conv1.kernel", "outer.inner/kernel", "outer/inner.kernel", "kernel"])
def test_the_short_name_is_the_last_part(weight):
    assert short_name(weight) == "kernel"


NON_NEG = {"class_name": "NonNeg", "config": {}}


@each_row(
    ("weight", "setting"),
    [
        ("conv.kernel", "kernel_constraint"),
        ("gru.gru_cell/recurrent_kernel", "recurrent_constraint"),
        ("separable.depthwise_kernel", "depthwise_constraint"),
        ("words.embeddings", "embeddings_constraint"),
        ("norm.gamma", "gamma_constraint"),
    ],
)
def test_the_constraint_of_a_weight_is_found_by_its_name(weight, setting):
    assert constraint_of({setting: NON_NEG}, weight) == NON_NEG
    assert constraint_of({setting: None, "other_constraint": NON_NEG}, weight) is None
