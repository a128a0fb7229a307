"""Torch's name for an argument is refused, with the name that is expected."""

import importlib
import inspect
import pickle

import pytest
import torch
from covering import one_test
from torch import nn
from torchvision.transforms import v2

from torch_impl import augment, layers, losses, metrics, optim, schedule
from torch_impl.initializers import RandomNormal
from torch_impl.torch_names import TORCH_NAMES, expected_of, is_names

rates, opt = torch.optim.lr_scheduler, torch.optim

# What one writes in torch for it.
COUNTERPARTS = {
    optim.Adam: opt.Adam,
    optim.AdamW: opt.AdamW,
    optim.SGD: opt.SGD,
    optim.RMSprop: opt.RMSprop,
    optim.Nadam: opt.NAdam,
    optim.Adamax: opt.Adamax,
    optim.Adagrad: opt.Adagrad,
    optim.Adadelta: opt.Adadelta,
    schedule.ExponentialDecay: rates.ExponentialLR,
    schedule.PolynomialDecay: rates.PolynomialLR,
    schedule.PiecewiseConstantDecay: rates.MultiStepLR,
    schedule.CosineDecay: rates.CosineAnnealingLR,
    schedule.CosineDecayRestarts: rates.CosineAnnealingWarmRestarts,
    schedule.LearningRateScheduler: rates.LambdaLR,
    schedule.ReduceLROnPlateau: rates.ReduceLROnPlateau,
    layers.Conv1D: nn.Conv1d,
    layers.Conv2D: nn.Conv2d,
    layers.Conv3D: nn.Conv3d,
    layers.Conv2DTranspose: nn.ConvTranspose2d,
    layers.DepthwiseConv2D: nn.Conv2d,
    layers.SeparableConv1D: nn.Conv1d,
    layers.Dropout: nn.Dropout,
    layers.AlphaDropout: nn.AlphaDropout,
    layers.SpatialDropout: nn.Dropout2d,
    layers.BatchNormalization: nn.BatchNorm2d,
    layers.LayerNormalization: nn.LayerNorm,
    layers.RMSNormalization: nn.RMSNorm,
    layers.GroupNormalization: nn.GroupNorm,
    layers.GRU: nn.GRU,
    layers.LSTM: nn.LSTM,
    layers.SimpleRNN: nn.RNN,
    layers.MaxPooling2D: nn.MaxPool2d,
    layers.AveragePooling2D: nn.AvgPool2d,
    layers.GlobalAveragePooling: nn.AdaptiveAvgPool2d,
    layers.UpSampling: nn.Upsample,
    layers.ReLU: nn.ReLU,
    layers.LeakyReLU: nn.LeakyReLU,
    layers.ELU: nn.ELU,
    layers.PReLU: nn.PReLU,
    layers.Softmax: nn.Softmax,
    layers.Flatten: nn.Flatten,
    losses.CategoricalCrossentropy: nn.CrossEntropyLoss,
    losses.SparseCategoricalCrossentropy: nn.CrossEntropyLoss,
    losses.BinaryCrossentropy: nn.BCEWithLogitsLoss,
    losses.MeanSquaredError: nn.MSELoss,
    losses.MeanAbsoluteError: nn.L1Loss,
    losses.Huber: nn.SmoothL1Loss,
    losses.KLDivergence: nn.KLDivLoss,
    losses.Poisson: nn.PoissonNLLLoss,
    losses.CosineSimilarity: nn.CosineSimilarity,
    augment.KerasTransform: v2.RandomAffine,
    augment.ImageDataGenerator: v2.RandomRotation,
}
EVERYWHERE = {"self", "args", "kwargs", "params", "device", "dtype"}  # `**options`, or no name

CLASSES = [
    (getattr(module, name), package)
    for package in TORCH_NAMES
    for module in [importlib.import_module(f"torch_impl.{package}")]
    for name in module.__all__
    if inspect.isclass(getattr(module, name))
]


def parameters():
    return [nn.Parameter(torch.ones(2))]


@one_test
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optim.Adam(parameters(), lr=0.1), "Adam(lr=0.1): expected learning_rate=0.1"),
        (
            lambda: optim.AdamW(parameters(), betas=(0.9, 0.99), eps=1e-8),
            "AdamW(betas=(0.9, 0.99), eps=1e-08): expected beta_1=0.9, beta_2=0.99, epsilon=1e-08",
        ),
        (
            lambda: optim.Adam(parameters(), betas=0.9),
            "Adam(betas=0.9): expected beta_1 and beta_2 in the place of betas",
        ),
        (
            lambda: optim.Adam(parameters(), momentum=0.9),
            "Adam(momentum=0.9): expected no momentum: SGD and RMSprop alone have it",
        ),
        (lambda: optim.RMSprop(parameters(), alpha=0.9), "RMSprop(alpha=0.9): expected rho=0.9"),
        (
            lambda: optim.SGD(parameters(), lr=torch.ones(40)),
            "SGD(lr=<Tensor>): expected learning_rate=<Tensor>",
        ),
        (
            lambda: schedule.ReduceLROnPlateau(optim.SGD(parameters()), threshold=1e-3),
            "ReduceLROnPlateau(threshold=0.001): expected min_delta=0.001",
        ),
        (
            lambda: schedule.CosineDecay(0.1, T_max=10),
            "CosineDecay(T_max=10): expected decay_steps=10",
        ),
        (lambda: layers.Dropout(p=0.5), "Dropout(p=0.5): expected rate=0.5"),
        (
            lambda: layers.Conv2D(3, out_channels=4, kernel_size=3, bias=False),
            "Conv2D(out_channels=4, bias=False): expected filters=4, use_bias=False",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy(ignore_index=-100),
            "SparseCategoricalCrossentropy(ignore_index=-100): expected ignore_class=-100",
        ),
        (
            lambda: metrics.TopKCategoricalAccuracy(top_k=3),
            "TopKCategoricalAccuracy(top_k=3): expected k=3",
        ),
        (lambda: RandomNormal(std=0.02), "RandomNormal(std=0.02): expected stddev=0.02"),
        (
            lambda: augment.KerasTransform(degrees=30, translate=(0.1, 0.2)),
            "KerasTransform(degrees=30, translate=(0.1, 0.2)): expected rotation_range=30, "
            "width_shift_range=0.1, height_shift_range=0.2",
        ),
        (
            lambda: augment.ImageDataGenerator(fill=0),
            "ImageDataGenerator(fill=0): expected cval, with fill_mode='constant'",
        ),
    ],
)
def test_torchs_name_is_told_what_is_expected_in_one_line(call, message):
    with pytest.raises(TypeError) as raised:
        call()
    assert str(raised.value) == message


@one_test
@pytest.mark.parametrize(
    ("ours", "theirs"), COUNTERPARTS.items(), ids=[kind.__name__ for kind in COUNTERPARTS]
)
def test_every_argument_of_the_torch_class_is_taken_or_explained(ours, theirs):
    explained = expected_of(ours, TORCH_NAMES[ours.__module__.split(".")[1]])
    taken = set(inspect.signature(ours).parameters)
    assert set(inspect.signature(theirs).parameters) - taken - set(explained) <= EVERYWHERE


@one_test
@pytest.mark.parametrize(
    ("kind", "package"), CLASSES, ids=[f"{package}-{kind.__name__}" for kind, package in CLASSES]
)
def test_what_is_expected_is_an_argument_of_the_class_and_what_is_refused_is_none(kind, package):
    taken = set(inspect.signature(kind).parameters)
    for name, what in expected_of(kind, TORCH_NAMES[package]).items():
        assert name not in taken
        if is_names(what):
            assert set(what.split(", ")) <= taken
        if inspect.isabstract(kind):
            continue
        with pytest.raises(TypeError, match=rf"^{kind.__name__}\({name}=1\): expected [^\n]+$"):
            kind(**{name: 1})


def test_what_is_no_name_of_torch_is_as_before():
    """Signatures, classes of the user's, unknown names, copies."""

    class Mine(optim.Adam):
        def __init__(self, params, lr):
            super().__init__(params, learning_rate=lr)

    assert Mine(parameters(), lr=0.5).param_groups[0]["lr"] == 0.5
    assert list(inspect.signature(optim.Adam).parameters)[:2] == ["params", "learning_rate"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'drop'"):
        layers.Dropout(drop=0.5)
    assert pickle.loads(pickle.dumps(layers.Dropout(rate=0.25, seed=3))).seed == 3  # noqa: S301
