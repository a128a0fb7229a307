"""What a check says of ports of the corpus beside the verdict, and which leave it undecided."""

import json

import pytest

from benchmarks.accuracy.corpus import selected
from parity.halves.job import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

# Port -> parts of what its result says.
SAID = {
    "odd/layer_in_float16/right": ["round: the program asks for mixed_float16 there"],
    "odd/no_kernel/right": ["in float64: TensorFlow has no kernel for it in float64"],
    "odd/two/autocast": [
        "how the port rounds (autocast at two_autocast.py:",
        "float() at",
    ],
    "odd/scaled_loss/right": ["the scale of the loss (LossScaleOptimizer)"],
    "odd/trained/right": ["the state of the optimizer", "has made 8 steps"],
    "own_steps/mean_teacher/right": ["the layer normalizer by itself"],
    "habits/averaged/not_at_all": ["Keras ends with an average", "use_ema=True, ema_momentum=0.9"],
}
PROVEN = ("habits/enlarged/corners", "habits/clipped/limit", "habits/scheduled/power")
NOT_PROVEN = "habits/enlarged/squared"
# Right port -> what is changed behind it, and what is then open.
OPEN = {
    "habits/shrinking/right": (
        "import dataclasses\n\n_made = build\n\n\n"
        "def build():\n    return dataclasses.replace(_made(), loss=None)\n",
        "the model's own compute_loss",
    ),
    "own_steps/centred/right": (
        "_made = build\n\n\ndef build():\n    return _made(place='closure')\n",
        "centred.center",
    ),
    "own_steps/plain/right": (  # as `parity port` leaves it
        "import dataclasses\n\n_made = build\n\n\ndef step(data):\n"
        "    raise NotImplementedError('the step is to be written')\n\n\n"
        "def build():\n    return dataclasses.replace(_made(), train_step=step)\n",
        "the port is not finished: the step is to be written",
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The result of each port by its name; of `OPEN` that of the changed one."""
    root, specs = tmp_path_factory.mktemp("told"), {}
    for name in (*SAID, *PROVEN, NOT_PROVEN, *OPEN):
        [(case, port)] = selected([name])
        if not (root / case.key).exists():
            case.write(root)
        torch = case.torch(port)
        if name in OPEN:
            torch = torch.replace(".py", "_open.py")
            change, _ = OPEN[name]
            (root / torch.removesuffix(":build")).write_text(port.text + change, encoding="utf-8")
        key = f"{name} open" if name in OPEN else name
        specs[key] = CheckSpec(keras=case.reference, torch=torch, folder=str(root), steps=3)
    options = CheckOptions(children=ChildOptions(workers=1))
    return dict(zip(specs, check_all(list(specs.values()), options), strict=True))


def test_what_is_computed_in_another_way_or_not_at_all_is_said(results):
    for name, parts in SAID.items():
        left_out = [f"{each['what']}: {each['why']}" for each in results[name].not_compared]
        text = "\n".join([*left_out, json.dumps(results[name].to_json())])
        assert [part for part in parts if part not in text] == [], name


def test_what_is_gone_with_the_fixes_is_proven_to_follow_from_what_they_mend(results):
    for name in PROVEN:
        assert results[name].inherited
        assert results[name].proven == results[name].inherited
    assert results[NOT_PROVEN].inherited
    assert results[NOT_PROVEN].proven == ()


def test_what_nothing_compares_leaves_a_check_open(results):
    for name, (_, what) in OPEN.items():
        result = results[f"{name} open"]
        assert (result.verdict, result.divergences, result.errors) == ("incomplete", (), ()), name
        (told,) = result.incomplete
        assert what in f"{told['what']}: {told['why']}"
