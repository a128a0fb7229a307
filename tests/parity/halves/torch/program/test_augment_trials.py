"""The change of Keras's augmentation that gives a port's images is found, and no other one."""

import numpy as np
import torch
from rows import each_row

from parity.halves.torch.program.flow_batches import FlowBatches, explained
from torch_impl.augment import KerasTransform

X = np.random.default_rng(1).uniform(size=(6, 9, 9, 1))
ARGUMENTS = {
    **{"rotation_range": 40, "width_shift_range": 2.0, "height_shift_range": 3.0},
    **{"shear_range": 25, "zoom_range": 0.3, "horizontal_flip": True, "vertical_flip": True},
}
DRAWN = KerasTransform(**ARGUMENTS, random_state=np.random.RandomState(5)).draw(6, 9, 9)
INDEX = torch.arange(6)
PLAIN = {
    **{"fill_mode": "nearest", "cval": 0.0, "interpolation_order": 1, "rescale": 0.5},
    **{"featurewise_center": False, "featurewise_std_normalization": False},
}
BATCHES = FlowBatches(
    {
        **{"x": X, "misc": (), "y": None, "weight": None, "mean": None, "std": None},
        **{"index": INDEX.numpy(), "sizes": np.array([6]), "drawn": DRAWN, "sums": np.zeros(1)},
    },
    {"dtype": "float64", "arguments": PLAIN},
)


def found(params=(), **settings):
    """What is told of a port that augments in another way."""
    own = BATCHES.images(INDEX, {**DRAWN, **dict(params)}, KerasTransform(**settings))
    return explained(BATCHES, INDEX, DRAWN, own)


@each_row(
    "params, name, told",
    [
        ({"theta": -DRAWN["theta"]}, "H15", "theta of the other sign"),
        ({"tx": DRAWN["ty"], "ty": DRAWN["tx"]}, "H16", "tx and ty exchanged give"),
        ({"tx": -DRAWN["tx"]}, "H16", "tx of the other sign"),
        ({"ty": -DRAWN["ty"]}, "H16", "ty of the other sign"),
        ({"tx": -DRAWN["tx"], "ty": -DRAWN["ty"]}, "H16", "tx and ty of the other sign"),
        ({"tx": -DRAWN["ty"], "ty": -DRAWN["tx"]}, "H16", "exchanged and of the other sign"),
        ({"shear": -DRAWN["shear"]}, "H17", "shear of the other sign"),
        ({"zx": 1 / DRAWN["zx"], "zy": 1 / DRAWN["zy"]}, "H17", "factors 1/zx and 1/zy"),
        ({"zx": DRAWN["zy"], "zy": DRAWN["zx"]}, "H17", "zx and zy exchanged"),
        ({"zy": DRAWN["zx"]}, "H17", "one factor zx for both axes"),
        ({"flip_horizontal": DRAWN["flip_vertical"]}, None, None),
        ({"shear": 0 * DRAWN["shear"]}, "H17", "those without shear"),
        ({"flip_vertical": np.zeros(6, bool)}, "H17", "those without flip_vertical"),
        ({"tx": 0 * DRAWN["tx"], "ty": 0 * DRAWN["ty"]}, "H17", "those without tx and ty"),
    ],
)
def test_other_parameters_are_named(params, name, told):
    explanation = found(params)
    assert (explanation and explanation["id"]) == name
    assert name is None or told in explanation["told"]


@each_row("setting", [{"fill_mode": "reflect"}, {"interpolation_order": 0}])
def test_other_settings_are_named(setting):
    ((name, value),) = setting.items()
    assert found(**setting) == {
        "id": "H17",
        "told": f"{name}={value!r} gives the port's images",
    }


def test_a_port_that_computes_in_float32_is_understood():
    images = torch.from_numpy(X).permute(0, 3, 1, 2).float()
    moved = KerasTransform().transform(images, {**DRAWN, "theta": -DRAWN["theta"]})
    own = moved.permute(0, 2, 3, 1).numpy().astype(float) / 2
    assert explained(BATCHES, INDEX, DRAWN, own)["id"] == "H15"


def test_what_no_change_gives_is_not_explained():
    blurred = np.full((6, 9, 9, 1), 0.25)
    blurred[:, ::2] = 0.75
    assert explained(BATCHES, INDEX, DRAWN, blurred) is None
