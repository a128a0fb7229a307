"""Layers that prepare features are named with the setting that the port has."""

import numpy as np
import one_layer
import pytest
import torch

from parity.divergences.layers import _spectrogram

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(6, 3))
MEAN, VARIANCE = np.array([0.2, -1.0, 3.0]), np.array([2.5, 0.3, 7.0])
NORMAL = {"mean": MEAN.tolist(), "variance": VARIANCE.tolist()}
MEL = {
    **{"fft_length": 64, "sequence_length": 48, "sequence_stride": 32, "window": "hann"},
    **{"sampling_rate": 8000, "num_mel_bins": 10, "min_freq": 50.0, "max_freq": 4000},
    **{"power_to_db": True, "top_db": 80.0, "mag_exp": 2.0, "min_power": 1e-10, "ref_power": 1.0},
}
SOUND = DRAW.normal(size=(2, 256))


def named(kind, config, x, theirs, ours):
    # Keras's layer is the source of the next one.
    nodes = [one_layer.node("prepare", kind, [-1], config), one_layer.node("next", "dense", [0])]
    keras, port = one_layer.facts(nodes[1:], [one_layer.call("linear", "dense", [-1])])
    keras["nodes"] = nodes
    arrays = {
        "forward/eval/prepare/input/0": x,
        "forward/eval/prepare/output": theirs,
        "forward/eval/next/input/0": theirs,
    }
    own = {"forward/eval/next/input/0": ours}
    return one_layer.names(
        one_layer.evidence((keras, arrays), (port, own), "input of next (eval)", theirs, ours)
    )


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        ((X - MEAN) / VARIANCE, "divides by the variance"),
        (X - MEAN, "does not divide"),
        (X / VARIANCE**0.5, "does not subtract the mean"),
        (X * VARIANCE**0.5 + MEAN, "backwards"),
        ((X - MEAN) / (VARIANCE + 1e-3) ** 0.5, "adds 0.001 to the variance"),
    ],
)
def test_a_normalization_by_other_numbers_is_named(ours, told):
    found = named("normalization", NORMAL, X, (X - MEAN) / VARIANCE**0.5, ours)
    assert told in found["A44"]


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (X / 127.5, "does not add the offset"),
        (X / 255 - 1, "scales by 1 / 255"),
        ((X - 1) / 127.5, "adds the offset before it scales"),
    ],
)
def test_another_rescaling_is_named(ours, told):
    config = {"scale": 1 / 127.5, "offset": -1.0}
    assert told in named("rescaling", config, X, X / 127.5 - 1, ours)["A44"]


def torch_mel(power=2.0, decibels=True, window=torch.hann_window):
    """A mel spectrogram of torch.stft, (N, bands, steps), with the bands of the formula."""
    from parity.divergences.layers import _bands

    sound = torch.tensor(SOUND)
    shape = window(48, dtype=torch.float64)
    made = torch.stft(sound, 64, 32, 48, shape, return_complex=True).abs() ** power
    bands = torch.einsum("nft,fb->nbt", made, torch.tensor(_bands(MEL, 33)))
    if not decibels:
        return bands.numpy()
    logs = 10 * bands.clamp(min=1e-10).log10()
    return torch.maximum(logs, logs.max() - 80).numpy()


def test_the_formula_of_a_mel_spectrogram_is_that_of_torchs_transform():
    np.testing.assert_allclose(_spectrogram(SOUND, MEL), torch_mel(), atol=1e-9)


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (torch_mel(power=1.0), "takes magnitudes, Keras powers"),
        (torch_mel(decibels=False), "no decibels"),
        (torch_mel(window=torch.hamming_window), "window is Hamming's"),
        (np.log1p(torch_mel(decibels=False)), "log(1 + power)"),
    ],
)
def test_another_spectrogram_is_named(ours, told):
    assert told in named("mel_spectrogram", MEL, SOUND, torch_mel(), ours)["A44"]


def test_other_values_are_no_setting():
    theirs = (X - MEAN) / VARIANCE**0.5
    assert "A44" not in named("normalization", NORMAL, X, theirs, np.sin(theirs))
