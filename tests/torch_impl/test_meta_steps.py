"""A step of training on the meta device, which has shapes and no values.

There, everything fails that reads a value: `.item()`, `.cpu()`, `.numpy()`, a branch on a tensor,
a boolean index. On a GPU each of them waits for the device in every step.
"""

import inspect

import pytest
import torch
from covering import one_test
from torch import nn

from torch_impl import Port, layers, losses, metrics, optim
from torch_impl.losses import SparseCategoricalCrossentropy, sample_weights
from torch_impl.penalty import RegularizedLoss, kernel_l2
from torch_impl.trainer import Batch, Stepper

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")  # of torch, about meta kernels

META = torch.device("meta")

SETTINGS = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "Adam": [{}, {"amsgrad": True}, {"fused": True}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True}],
}
COMMON = [
    {},
    {"clipnorm": 1.0},
    {"clipvalue": 1.0},
    {"global_clipnorm": 1.0},
    {"use_ema": True, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2},
    {"weight_decay": 0.1},
    {"loss_scale_factor": 4.0},
]
OPTIMIZERS = [name for name in optim.__all__ if name != "KerasOptimizer"]


@one_test
@pytest.mark.parametrize("common", COMMON, ids=lambda common: next(iter(common), "plain"))
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_makes_its_steps_without_a_value(name, common):
    for settings in SETTINGS.get(name, [{}]):
        weights = [nn.Parameter(torch.ones(shape, device=META)) for shape in ((3, 2), (2,))]
        optimizer = getattr(optim, name)(weights, **settings, **common)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.ones_like(weight)
            optimizer.step()
        optimizer.finalize_variable_values()
        slots = [slot for weight in weights for slot in optimizer.slots(weight).values()]
        assert all(tensor.is_meta for tensor in (*weights, *slots))


SERIES, VECTOR, SEQUENCE = (2, 4, 8), (2, 4), (2, 5, 4)
IMAGE, VOLUME, INTEGERS = (2, 4, 8, 8), (2, 4, 6, 6, 6), "integers"
COLORS = (2, 3, 8, 8)
TWO = [VECTOR, VECTOR]
NESTED, TWO_TIMES = [SEQUENCE, SEQUENCE], (SEQUENCE, SEQUENCE)  # in a list, and one by one
BASES = {"RandomImageLayer"}
ON_THE_CPU = {"HashedCrossing", "Hashing"}  # they compute with whole numbers of Python
LAYERS = {
    "ELU": (lambda: layers.ELU(), VECTOR),
    "GRU": (lambda: layers.GRU(4, 3), SEQUENCE),
    "LSTM": (lambda: layers.LSTM(4, 3, activation="relu", return_sequences=True), SEQUENCE),
    "SimpleRNN": (lambda: layers.SimpleRNN(4, 3), SEQUENCE),
    "RNN": (lambda: layers.RNN(layers.GRUCell(4, 3), stateful=True), SEQUENCE),
    "LSTMCell": (lambda: layers.RNN(layers.LSTMCell(4, 3, dropout=0.2)), SEQUENCE),
    "GRUCell": (lambda: layers.RNN(layers.GRUCell(4, 3, reset_after=False)), SEQUENCE),
    "SimpleRNNCell": (lambda: layers.RNN(layers.SimpleRNNCell(4, 3)), SEQUENCE),
    "StackedRNNCells": (
        lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(4, 3), layers.LSTMCell(3, 2)])),
        SEQUENCE,
    ),
    "RecurrentDropout": (
        lambda: layers.LSTM(4, 3, dropout=0.2, recurrent_dropout=0.3),
        SEQUENCE,
    ),
    "ConvLSTM1D": (lambda: layers.ConvLSTM1D(4, 3, 2), (2, 5, 4, 6)),
    "ConvLSTM2D": (
        lambda: layers.ConvLSTM2D(4, 3, 2, padding="same", dropout=0.2),
        (2, 5, 4, 6, 7),
    ),
    "ConvLSTM3D": (lambda: layers.ConvLSTM3D(4, 3, 2, strides=2), (2, 5, 4, 6, 7, 4)),
    "Activation": (lambda: layers.Activation("gelu"), VECTOR),
    "Add": (lambda: layers.Add(), TWO),
    "AlphaDropout": (lambda: layers.AlphaDropout(0.2), VECTOR),
    "Average": (lambda: layers.Average(), TWO),
    "AveragePooling1D": (lambda: layers.AveragePooling1D(padding="same"), SERIES),
    "AveragePooling2D": (lambda: layers.AveragePooling2D(padding="same"), IMAGE),
    "AveragePooling3D": (lambda: layers.AveragePooling3D(), VOLUME),
    "BatchNormalization": (lambda: layers.BatchNormalization(4), IMAGE),
    "Bidirectional": (
        lambda: layers.Bidirectional(layers.LSTM(4, 3), layers.LSTM(4, 3, go_backwards=True)),
        SEQUENCE,
    ),
    "CategoryEncoding": (lambda: layers.CategoryEncoding(5), INTEGERS),
    "Concatenate": (lambda: layers.Concatenate(), TWO),
    "Conv1D": (lambda: layers.Conv1D(4, 3, 3, padding="causal"), SERIES),
    "Conv1DTranspose": (lambda: layers.Conv1DTranspose(4, 3, 3, padding="same"), SERIES),
    "Conv2D": (lambda: layers.Conv2D(4, 3, 3, strides=2, padding="same"), IMAGE),
    "Conv2DTranspose": (lambda: layers.Conv2DTranspose(4, 3, 3, 2, padding="same"), IMAGE),
    "Conv3D": (lambda: layers.Conv3D(4, 3, 3), VOLUME),
    "Conv3DTranspose": (lambda: layers.Conv3DTranspose(4, 3, 3), VOLUME),
    "Cropping": (lambda: layers.Cropping(1), IMAGE),
    "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(4, 3), SERIES),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(4, 3), IMAGE),
    "Dot": (lambda: layers.Dot(1, normalize=True), TWO),
    "Dropout": (lambda: layers.Dropout(0.2), IMAGE),
    "Discretization": (lambda: layers.Discretization([0.0, 0.5]), VECTOR),
    "Embedding": (lambda: layers.Embedding(5, 3), INTEGERS),
    "Flatten": (lambda: layers.Flatten(), IMAGE),
    "GaussianDropout": (lambda: layers.GaussianDropout(0.2), VECTOR),
    "GaussianNoise": (lambda: layers.GaussianNoise(0.2), VECTOR),
    "GlobalAveragePooling": (lambda: layers.GlobalAveragePooling(), IMAGE),
    "GlobalAveragePooling1D": (lambda: layers.GlobalAveragePooling1D(), SERIES),
    "GlobalMaxPooling": (lambda: layers.GlobalMaxPooling(), IMAGE),
    "GroupNormalization": (lambda: layers.GroupNormalization(4, 2), IMAGE),
    "LayerNormalization": (lambda: layers.LayerNormalization(8), IMAGE),
    "IntegerLookup": (lambda: layers.IntegerLookup([0, 3]), INTEGERS),
    "LeakyReLU": (lambda: layers.LeakyReLU(), VECTOR),
    "MaxPooling1D": (lambda: layers.MaxPooling1D(padding="same"), SERIES),
    "MelSpectrogram": (lambda: layers.MelSpectrogram(16, 4, num_mel_bins=3), (2, 64)),
    "STFTSpectrogram": (lambda: layers.STFTSpectrogram(frame_length=16), (2, 1, 64)),
    "MaxPooling2D": (lambda: layers.MaxPooling2D(padding="same"), IMAGE),
    "MaxPooling3D": (lambda: layers.MaxPooling3D(), VOLUME),
    "Maximum": (lambda: layers.Maximum(), TWO),
    "Minimum": (lambda: layers.Minimum(), TWO),
    "Multiply": (lambda: layers.Multiply(), TWO),
    "Normalization": (lambda: layers.Normalization((4,), 1, [0.0] * 4, [1.0] * 4), VECTOR),
    "PReLU": (lambda: layers.PReLU((4,)), VECTOR),
    "Permute": (lambda: layers.Permute((2, 1, 3)), IMAGE),
    "RMSNormalization": (lambda: layers.RMSNormalization(8), IMAGE),
    "ReLU": (lambda: layers.ReLU(6.0, 0.1, 0.5), VECTOR),
    "Weight": (lambda: layers.Weight((4,)), VECTOR),
    "RepeatVector": (lambda: layers.RepeatVector(3), VECTOR),
    "Rescaling": (lambda: layers.Rescaling(2.0), VECTOR),
    "Reshape": (lambda: layers.Reshape((2, 2)), VECTOR),
    "SeparableConv1D": (lambda: layers.SeparableConv1D(4, 3, 3), SERIES),
    "SeparableConv2D": (lambda: layers.SeparableConv2D(4, 3, 3), IMAGE),
    "Softmax": (lambda: layers.Softmax((1, 2)), IMAGE),
    "Solarization": (lambda: layers.Solarization(0.2, 0.3, seed=1), IMAGE),
    "SpatialDropout": (lambda: layers.SpatialDropout(0.2), IMAGE),
    "Subtract": (lambda: layers.Subtract(), TWO),
    "UnitNormalization": (lambda: layers.UnitNormalization(), VECTOR),
    "UpSampling": (lambda: layers.UpSampling(2, "bilinear"), IMAGE),
    "AdditiveAttention": (lambda: layers.AdditiveAttention(4), NESTED),
    "Attention": (lambda: layers.Attention(use_scale=True, dropout=0.2), NESTED),
    "CenterCrop": (lambda: layers.CenterCrop(5, 4), IMAGE),
    "CustomScaleLayer": (lambda: layers.CustomScaleLayer(0.2), NESTED),
    "EinsumDense": (lambda: layers.EinsumDense("abc,cd->abd", (5, 4), (5, 3), "d"), SEQUENCE),
    "GroupQueryAttention": (lambda: layers.GroupQueryAttention(2, 4, 2, 4, dropout=0.2), TWO_TIMES),
    "LayerScale": (lambda: layers.LayerScale(0.1, 4), SEQUENCE),
    "MultiHeadAttention": (
        lambda: layers.MultiHeadAttention(2, 3, (5, 4), dropout=0.2),
        TWO_TIMES,
    ),
    "RandomBrightness": (lambda: layers.RandomBrightness(0.2, seed=1), IMAGE),
    "RandomColorDegeneration": (lambda: layers.RandomColorDegeneration(0.2, seed=1), COLORS),
    "RandomContrast": (lambda: layers.RandomContrast(0.2, seed=1), IMAGE),
    "RandomCrop": (lambda: layers.RandomCrop(5, 4, seed=1), IMAGE),
    "RandomFlip": (lambda: layers.RandomFlip(seed=1), IMAGE),
    "RandomGrayscale": (lambda: layers.RandomGrayscale(0.5, seed=1), COLORS),
    "RandomInvert": (lambda: layers.RandomInvert(0.5, seed=1), IMAGE),
    "RandomRotation": (lambda: layers.RandomRotation(0.2, seed=1), IMAGE),
    "RandomSharpness": (lambda: layers.RandomSharpness(0.5, seed=1), IMAGE),
    "RandomShear": (lambda: layers.RandomShear(0.2, seed=1), IMAGE),
    "RandomTranslation": (lambda: layers.RandomTranslation(0.2, 0.2, seed=1), IMAGE),
    "RandomZoom": (lambda: layers.RandomZoom(0.2, seed=1), IMAGE),
    "Resizing": (lambda: layers.Resizing(5, 4, antialias=True), IMAGE),
    "ReversibleEmbedding": (lambda: layers.ReversibleEmbedding(5, 3), INTEGERS),
    "SpectralNormalization": (lambda: layers.SpectralNormalization(nn.Linear(4, 3)), VECTOR),
    "StochasticDepth": (lambda: layers.StochasticDepth(0.2), SEQUENCE),
    "Masking": (lambda: layers.Masking(), SEQUENCE),
    "ZeroPadding": (lambda: layers.ZeroPadding(1), IMAGE),
}


def classes_of(package):
    return {name for name in package.__all__ if inspect.isclass(getattr(package, name))}


def test_every_layer_has_its_row():
    assert set(LAYERS) == classes_of(layers) - BASES - ON_THE_CPU


def made(form, device):
    if form == INTEGERS:
        return torch.zeros(2, 3, dtype=torch.long, device=device)
    if isinstance(form, list):
        return [made(each, device) for each in form]
    if isinstance(form[0], tuple):
        return tuple(made(each, device) for each in form)
    return torch.rand(form, device=device, requires_grad=True)


def trained_once(make, form, device):
    """The output of a layer after its gradient was computed, in train mode."""
    layer = make().to(device)
    given = made(form, device)
    output = layer(*given) if isinstance(given, tuple) else layer(given)
    if output.requires_grad:
        output.sum().backward()
    assert all(weight.grad.device == device for weight in layer.parameters())
    return output


@one_test
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_the_shapes_of_the_cpu_without_a_value(name):
    on_cpu, on_meta = (
        trained_once(*LAYERS[name], device) for device in (torch.device("cpu"), META)
    )
    assert on_meta.is_meta
    assert (on_meta.shape, on_meta.dtype) == (on_cpu.shape, on_cpu.dtype)


def test_parts_that_stand_beside_the_layers_read_no_value():
    assert sample_weights(torch.zeros(4, dtype=torch.long, device=META), {0: 2.0, 1: 0.5}).is_meta
    for name in set(layers.activations.ACTIVATIONS) - {None}:
        settings = {"threshold": 0.5, "default_value": 0.0} if name == "threshold" else {}
        output = layers.activations.activation(name, **settings)(made(VECTOR, META))
        output.sum().backward()
        assert output.is_meta


@one_test
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", sorted(classes_of(losses) - {"Loss", "OutputLosses"}))
def test_a_loss_and_its_gradient_read_no_value(name, is_weighted):
    kind, output = getattr(losses, name), made((4, 3), META)
    takes_labels = name.startswith("Sparse") or name == "CategoricalGeneralizedCrossEntropy"
    target = torch.zeros(4, dtype=torch.long, device=META) if takes_labels else made((4, 3), META)
    # Dice and Tversky have one value a batch.
    shape = () if name in ("Dice", "Tversky") else (4,)
    weight = torch.ones(shape, device=META) if is_weighted else None
    for each in [{}, {"ignore_class": 1}] if name.startswith("Sparse") else [{}]:
        loss = kind(**each)(output, target, sample_weight=weight)
        loss.backward()
        assert loss.is_meta
        assert output.grad.is_meta


ARGUMENTS = {
    "IoU": (3, [0]),
    "MeanIoU": (3,),
    "OneHotIoU": (3, [0]),
    "OneHotMeanIoU": (3,),
    "PrecisionAtRecall": (0.5,),
    "RecallAtPrecision": (0.5,),
    "SensitivityAtSpecificity": (0.5,),
    "SpecificityAtSensitivity": (0.5,),
    "MeanMetricWrapper": (lambda y_pred, y_true: (y_pred - y_true).abs(),),
}
OF_NUMBERS = {"AUC", "BinaryIoU", "IoU", "MeanIoU", *(name for name in ARGUMENTS if "At" in name)}


@one_test
@pytest.mark.parametrize("is_weighted", [False, True], ids=["plain", "weighted"])
# Adapted calls a metric of the user's.
@pytest.mark.parametrize("name", sorted(classes_of(metrics) - {"Metric", "Adapted"}))
def test_a_metric_takes_batches_and_has_its_result_without_a_value(name, is_weighted):
    metric = getattr(metrics, name)(*ARGUMENTS.get(name, ()))
    weight = torch.ones(4, device=META) if is_weighted else None
    shape = (4,) if name in OF_NUMBERS else (4, 3)
    output, target = torch.rand(shape, device=META), torch.rand(shape, device=META)
    if name.startswith("Sparse"):
        target = torch.zeros(4, dtype=torch.long, device=META)
    for _ in range(2):
        metric.update(*((output,) if name in ("Mean", "Sum") else (output, target)), weight)
    assert metric.result().is_meta
    assert all(value.is_meta for value in metric.state_dict().values())


def network():
    return nn.Sequential(
        layers.Conv2D(1, 4, 3),
        layers.BatchNormalization(4),
        nn.ReLU(),
        layers.MaxPooling2D(),
        layers.Dropout(0.25),
        layers.Flatten(),
        nn.Linear(36, 3),
    ).to(META)


def test_a_whole_step_of_the_trainer_reads_no_value():
    module = network()
    port = Port(
        module,
        loss=RegularizedLoss(
            SparseCategoricalCrossentropy(from_logits=True), kernel_l2(module, 0.1)
        ),
        optimizer=optim.Adam(module.parameters(), global_clipnorm=1.0),
        metrics=["accuracy"],
    )
    stepper = Stepper(port)
    x = torch.rand(4, 1, 8, 8, device=META)
    y, weight = torch.zeros(4, dtype=torch.long, device=META), torch.ones(4, device=META)
    for _ in range(2):
        loss, output = stepper.step(Batch(x, y, weight))
    assert loss.is_meta
    assert output.is_meta


class Reading(nn.Module):
    """The fault that these tests must catch: a layer that looks at a value."""

    def __init__(self, read):
        super().__init__()
        self.read = read

    def forward(self, x):
        self.read(x)
        return x


@one_test
@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: x.detach().cpu(),
        lambda x: x.detach().numpy(),
        lambda x: x.tolist(),
        lambda x: x.max() > 0 or x,
        lambda x: x[x > 0],
        lambda x: float(x.mean()),
    ],
    ids=["item", "cpu", "numpy", "tolist", "branch", "boolean_index", "float"],
)
def test_a_layer_that_reads_a_value_is_caught(read):
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        trained_once(lambda: Reading(read), VECTOR, META)
