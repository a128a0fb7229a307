"""Masks in code of the user's own: what makes one, what takes one, and what ends one."""

import importlib

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from odd_nets import Words
from own_packages import written
from safetensors.torch import load_file

from torch_impl.keras_config.rules import NoTwinError
from torch_impl.masks import mask_of

# The weights of a file are rounded to float32.
ROUNDED = {"rtol": 1e-5, "atol": 1e-6}
DRAW = np.random.default_rng(0)


def network(folder, monkeypatch, **functions):
    """The network of a package with its weights; functions are written in, as CLASS__METHOD."""
    monkeypatch.syspath_prepend(folder.parent)
    file = importlib.import_module(f"{folder.name}.model")
    for name, function in functions.items():
        monkeypatch.setattr(f"{file.__name__}.{name.replace('__', '.')}", function)
    net = file.Net()
    net.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    return net.double().eval()


class Told(L.Layer):
    """Is told masks, or Keras hands them on to what is in it by itself."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True


class Both(Told):
    """Takes the masks of two tensors, and ends them."""

    def call(self, inputs, scale=2.0, mask=None):
        first, second = (ops.cast(each, "float64")[..., None] for each in mask)
        return (inputs[0] * first + inputs[1] * second) * scale

    def compute_mask(self, inputs, mask=None):
        return None


class Attending(Told):
    """Keras hands the mask of x to layers in it, and no line of its code says so."""

    def __init__(self, **options):
        super().__init__(**options)
        self.att, self.drop = L.MultiHeadAttention(1, 4), L.Dropout(0.5)

    def call(self, x, training=False):
        y = self.att(x, x)
        return x + (self.drop(y) if training else y)


class Encoding(Attending):
    """The same, which is told the mask."""

    def call(self, x, training=False, mask=None):
        return super().call(x, training)


class Decoding(Told):
    """Attends to itself, to steps before alone, and to another text; is told both masks."""

    def __init__(self, **options):
        super().__init__(**options)
        self.own, self.other = L.MultiHeadAttention(1, 4), L.MultiHeadAttention(1, 4)

    def call(self, inputs, mask=None):
        x, text = inputs
        own, other = mask or (None, None)  # Keras builds the layer without
        size = ops.shape(x)[1]
        i, j = ops.arange(size)[:, None], ops.arange(size)
        causal = ops.reshape(ops.cast(i >= j, "int32"), (1, size, size))
        x = x + self.own(x, x, attention_mask=causal, query_mask=own)
        return x + self.other(x, text, query_mask=own, key_mask=other)


def test_a_mask_that_code_of_a_layer_makes_is_a_method_to_write(tmp_path, monkeypatch):
    def build():
        inputs = [L.Input((5,), dtype="int32"), L.Input((5,), dtype="int32")]
        words = Words(name="words")
        return keras.Model(inputs, L.Flatten()(Both(name="both")([words(each) for each in inputs])))

    folder = tmp_path / "port_of_words"
    monkeypatch.setattr(Words, "compute_mask", lambda self, x, mask=None: ops.greater(x, 1))
    told, source, model = written(build, folder)
    assert "def compute_mask(self, inputs: torch.Tensor) -> torch.Tensor:" in source
    assert "# TO WRITE: which steps count, (N, 5) of truth values, as in Keras" in source
    assert any("Words.compute_mask is to be written" in each for each in told["open"])
    assert "mask=[mask, mask2]" in source
    assert "scale: float = 2.0" in source
    assert "with_mask" not in source  # the mask ends there
    net = network(
        folder,
        monkeypatch,
        Words__forward=lambda self, x: self.table(x) + self.places(torch.arange(5)),
        Words__compute_mask=lambda self, x: x > 1,
        Both__forward=lambda self, x, mask: (
            2 * sum(a * m[..., None] for a, m in zip(x, mask, strict=True))
        ),
    )
    x = [DRAW.integers(0, 6, (3, 5)) for _ in range(2)]
    made = net(*map(torch.as_tensor, x)).detach()
    np.testing.assert_allclose(made, np.asarray(model(x)), **ROUNDED)


def attending(table, kind=Attending):
    x = L.Input((5,), dtype="int32")
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(kind(name="attending")(table(x)))))


def test_masks_that_keras_hands_on_inside_are_told_and_given(tmp_path, monkeypatch):
    folder = tmp_path / "port_of_attending"
    _, source, model = written(lambda: attending(L.Embedding(6, 4, mask_zero=True)), folder)
    text = " ".join(source.replace("#", "").split())
    note = "self.att(x, y); Keras hands on the masks that query and value carry, as query_mask and"
    assert f"{note} value_mask, by itself" in text
    assert "self, x: torch.Tensor, mask: torch.Tensor | None = None" in text
    assert "self.attending(y, mask=mask)" in text
    x = DRAW.integers(0, 3, (8, 5))
    expected = np.asarray(model(x))

    def apart(*names):
        def forward(self, x, mask):
            return x + self.att(x, x, **dict.fromkeys(names, mask))

        net = network(folder, monkeypatch, Attending__forward=forward)
        return np.abs(net(torch.as_tensor(x)).detach().numpy() - expected).max()

    assert apart("query_mask", "value_mask") < 1e-6
    assert apart() > 1e-3  # written line by line


def translating():
    texts = [L.Input((None,), dtype="int32", name=name) for name in ("source", "target")]
    source, target = (Words(name=f"words_of_{each.name}")(each) for each in texts)
    source = Encoding(name="encoding")(source)
    return keras.Model(texts, L.Dense(3)(Decoding(name="decoding")([target, source])))


def test_masks_of_ones_own_are_written_out_along_a_side_of_any_length(tmp_path, monkeypatch):
    folder = tmp_path / "port_of_translating"
    told, source, model = written(translating, folder, is_stubbed=False)
    assert told["open"] == []
    assert "torch.arange(source.shape[1], device=source.device)" in source
    assert "mask = source != 0" in source
    net = network(folder, monkeypatch)
    importlib.import_module("port_of_translating.train").load_weights(net)
    for lengths in ((5, 7), (9, 1)):
        texts = [DRAW.integers(0, 6, (4, length)) for length in lengths]
        texts[0][:, -1] = 0
        made = net(*map(torch.as_tensor, texts))
        np.testing.assert_allclose(made.detach(), np.asarray(model(texts)), **ROUNDED)
        np.testing.assert_array_equal(mask_of(made), texts[1] != 0)
        whole = net(torch.as_tensor(texts[0]).clamp(min=1), torch.as_tensor(texts[1]))
        assert (whole - made).abs().max() > 1e-3  # a mask that is left out is seen


# Keras warns of it, since the mask ends there.
WITHOUT_MASK = pytest.mark.filterwarnings("ignore:Layer 'code' \\(of type Lambda\\):UserWarning")


def masked(function, **options):
    """A Lambda between a layer that has a mask, and one that would leave masked steps out."""

    def build():
        inputs = L.Input((5, 3))
        x = L.LSTM(4, return_sequences=True)(L.Masking()(inputs))
        x = L.Lambda(function, name="code", **options)(x)
        return keras.Model(inputs, L.GlobalAveragePooling1D()(x))

    return build


@WITHOUT_MASK
def test_a_lambda_behind_a_mask_is_written_out_and_ends_the_mask_as_in_keras(tmp_path, monkeypatch):
    folder = tmp_path / "port_of_masked"
    told, source, model = written(masked(lambda x: x * 0.5), folder, is_stubbed=False)
    assert told["open"] == []
    assert "self.lstm(y, mask=mask) * 0.5).mean(1)" in source
    x = DRAW.normal(size=(2, 5, 3)) * (np.arange(5) < 3)[:, None]
    made = network(folder, monkeypatch)(torch.as_tensor(x)).detach()
    np.testing.assert_allclose(made, np.asarray(model(x)), **ROUNDED)


@WITHOUT_MASK
def test_a_lambda_whose_function_takes_the_mask_is_refused_with_what_to_do(tmp_path):
    def counted(x, mask=None):
        return x if mask is None else x * ops.cast(mask, x.dtype)[..., None]

    with pytest.raises(NoTwinError) as raised:
        written(masked(counted, output_shape=(5, 4)), tmp_path / "port")
    (problem,) = raised.value.problems
    assert problem.startswith("layer 'code' of class 'Lambda': its function takes the mask")
    assert problem.endswith("write it as a layer of your own, whose call has the argument mask")
