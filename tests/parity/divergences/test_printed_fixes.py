"""A part of `benchmarks/accuracy/fixes.py`: a port with the change that is printed agrees there."""

import pytest

from benchmarks.accuracy.fixes import ADVICE, ENDED, VAIN, faults_of, run

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

SEED = 23

# Name of a wrong port -> the start of what is printed for its first divergence.
TRIED = {
    "same_symmetric": "x = F.pad(x, (1, 1, 0, 1))  # before module `features.0`",
    "max_pool_zeros": "F.pad(x, ..., value=-math.inf)",
    "norm_stock": "nn.BatchNorm2d(..., eps=0.001)  # module `features.1`",
    "activation_missing": "x = torch.tanh(x)  # after module `features.2`",
    "l2_half": "loss = torch_impl.penalty.RegularizedLoss(",
    "smoothing_missing": "loss = nn.CrossEntropyLoss(..., label_smoothing=0.1)",
    "adam_stock": "optimizer = torch_impl.optim.Adam(",
    "head_only": "optimizer = Adam(module.parameters(), ...)",
    "plateau_patience": "scheduler = ReduceLROnPlateau(..., patience=2)",
    "second_skip_rectified": (
        "nn.ReLU(..., inplace=False)  # modules `blocks.0.relu1`, `blocks.1.relu1`"
    ),
}
NOT_TRIED = {"fed_bgr": [ADVICE], "second_wavenet_cut_in_front": [ADVICE, VAIN]}


@pytest.fixture(scope="module")
def rows():
    """The divergences of all of them, by the name of the port."""
    wanted = {*TRIED, *NOT_TRIED}
    faults = [
        (case, port)
        for case, port in faults_of(["pairs", "held_out"])
        if wanted & {port.name, case.name if port.name == "wrong" else ""}
    ]
    found = {}
    for row in run(faults, SEED, workers=1):
        found.setdefault(row.fault, []).append(row)
    return found


@pytest.mark.parametrize("name", TRIED)
def test_the_printed_change_ends_its_divergence(rows, name):
    assert rows[name][0].fix.startswith(TRIED[name])
    assert [row.status for row in rows[name]] == [ENDED] * len(rows[name])


@pytest.mark.parametrize("name", NOT_TRIED)
def test_what_cannot_be_changed_or_does_not_help_is_no_fix(rows, name):
    assert [row.status for row in rows[name]] == NOT_TRIED[name]
