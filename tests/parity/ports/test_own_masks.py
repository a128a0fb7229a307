"""Masks in code of the user's own: what makes one, what takes one, and what ends one."""

import importlib

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from own_packages import written
from safetensors.torch import load_file

from torch_impl.keras_config.problems import NoTwinError
from torch_impl.masks import mask_of


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


class Tokens(L.Layer):
    """Makes a mask by code of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table = L.Embedding(6, 4)

    def call(self, x):
        return self.table(x)

    def compute_mask(self, x, mask=None):
        return ops.greater(x, 1)


class Both(L.Layer):
    """Is told the masks of two tensors."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        first, second = (ops.cast(each, "float64")[..., None] for each in mask)
        return inputs[0] * first + inputs[1] * second

    def compute_mask(self, inputs, mask=None):
        return None


def test_a_mask_that_code_of_a_layer_makes_is_a_method_to_write(tmp_path, monkeypatch):
    def build():
        first, second = L.Input((5,), dtype="int32"), L.Input((5,), dtype="int32")
        tokens = Tokens(name="tokens")
        x = Both(name="both")([tokens(first), tokens(second)])
        return keras.Model([first, second], L.Flatten()(x))

    told, source, model = written(build, tmp_path / "port_of_tokens")
    assert "def compute_mask(self, inputs: torch.Tensor) -> torch.Tensor:" in source
    assert "# TO WRITE: which steps count, (N, 5) of truth values, as in Keras" in source
    assert any("Tokens.compute_mask is to be written" in each for each in told["open"])
    assert "mask=[mask, mask2]" in source

    monkeypatch.syspath_prepend(tmp_path)
    file = importlib.import_module("port_of_tokens.model")
    monkeypatch.setattr(file.Tokens, "forward", lambda self, x: self.table(x))
    monkeypatch.setattr(file.Tokens, "compute_mask", lambda self, x: x > 1)
    monkeypatch.setattr(
        file.Both,
        "forward",
        lambda self, x, mask: sum(a * m[..., None] for a, m in zip(x, mask, strict=True)),
    )
    network = next(
        each
        for each in vars(file).values()
        if isinstance(each, type)
        and each.__name__ not in ("Tokens", "Both")
        and issubclass(each, torch.nn.Module)
    )()
    network.load_state_dict(load_file(tmp_path / "port_of_tokens" / "weights.safetensors"))
    draw = np.random.default_rng(0)
    x = [draw.integers(0, 6, (3, 5)) for _ in range(2)]
    expected = np.asarray(model(x))
    # The weights of the file are rounded to float32.
    np.testing.assert_allclose(network(*map(torch.as_tensor, x)).detach(), expected, 2e-7, 1e-9)


class Masked(L.Layer):
    """A table with a mask of its own, which needs no numbers: the network makes it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table = L.Embedding(6, 4)
        self.drop = L.Dropout(0.5)

    def call(self, x, training=False):
        x = self.table(x)
        return self.drop(x) if training else x

    def compute_mask(self, x, mask=None):
        return ops.not_equal(x, 0)


class Attending(L.Layer):
    """Keras hands the mask of x to layers in it, and no line of its code says so."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True
        self.att, self.drop = L.MultiHeadAttention(1, 4), L.Dropout(0.5)

    def call(self, x, training=False):
        y = self.att(x, x)
        return x + (self.drop(y) if training else y)


class Told(Attending):
    """The same, which is told the mask."""

    def call(self, x, training=False, mask=None):
        return super().call(x, training)


def attending(table, kind=Attending):
    x = L.Input((5,), dtype="int32")
    y = L.GlobalAveragePooling1D()(kind(name="attending")(table(x)))
    return keras.Model(x, L.Dense(2)(y))


def test_a_mask_that_the_network_makes_by_itself_is_no_method_to_write(tmp_path):
    told, source, _ = written(
        lambda: attending(Masked(name="masked"), Told), tmp_path / "port_of_told"
    )
    assert "mask = x != 0" in source
    assert "self.attending(y, mask=mask)" in source
    assert "compute_mask(self, inputs" not in source
    assert [each.partition(" is to be")[0].rpartition(" ")[2] for each in told["open"]] == [
        *("Masked.forward", "Told.forward")
    ]


def test_masks_that_keras_hands_on_inside_are_told_and_given(tmp_path, monkeypatch):
    _, source, model = written(
        lambda: attending(L.Embedding(6, 4, mask_zero=True)), tmp_path / "port_of_attending"
    )
    text = " ".join(source.replace("#", "").split())
    note = "self.att(x, y); Keras hands on the masks that query and value carry, as query_mask and"
    assert f"{note} value_mask, by itself" in text
    assert "self, x: torch.Tensor, mask: torch.Tensor | None = None" in text
    assert "self.attending(y, mask=mask)" in text

    monkeypatch.syspath_prepend(tmp_path)
    file = importlib.import_module("port_of_attending.model")
    network = file.Net()
    network.load_state_dict(
        load_file(tmp_path / "port_of_attending" / "weights.safetensors"), strict=False
    )
    network.eval()
    x = np.random.default_rng(0).integers(0, 3, (8, 5))
    expected = np.asarray(model(x))

    def apart(*names):
        def forward(self, x, mask):
            return x + self.att(x, x, **dict.fromkeys(names, mask))

        monkeypatch.setattr(file.Attending, "forward", forward)
        return np.abs(network(torch.as_tensor(x)).detach().numpy() - expected).max()

    assert apart("query_mask", "value_mask") < 1e-6
    assert apart() > 1e-3  # written line by line


class Words(L.Layer):
    """Words with their places in a text of any length, and a mask by code of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.table, self.places = L.Embedding(6, 4), L.Embedding(9, 4)

    def call(self, x):
        return self.table(x) + self.places(ops.arange(0, ops.shape(x)[-1], 1))

    def compute_mask(self, x, mask=None):
        return ops.not_equal(x, 0)


class Decoding(L.Layer):
    """Attends to itself, to steps before alone, and to another text; is told both masks."""

    def __init__(self, **options):
        super().__init__(**options)
        self.own, self.other = L.MultiHeadAttention(1, 4), L.MultiHeadAttention(1, 4)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        x, text = inputs
        own, other = mask or (None, None)  # Keras builds the layer without
        size = ops.shape(x)[1]
        i, j = ops.arange(size)[:, None], ops.arange(size)
        causal = ops.reshape(ops.cast(i >= j, "int32"), (1, size, size))
        x = x + self.own(x, x, attention_mask=causal, query_mask=own)
        return x + self.other(x, text, query_mask=own, key_mask=other)


def translating():
    texts = [L.Input((None,), dtype="int32", name=name) for name in ("source", "target")]
    source, target = (Words(name=f"words_of_{each.name}")(each) for each in texts)
    source = Told(name="encoding")(source)
    x = Decoding(name="decoding")([target, source])
    return keras.Model(texts, L.Dense(3)(x))


def test_masks_of_ones_own_are_written_out_along_a_side_of_any_length(tmp_path, monkeypatch):
    folder = tmp_path / "port_of_translating"
    told, source, model = written(translating, folder, is_stubbed=False)
    assert told["open"] == []
    assert "torch.arange(source.shape[1], device=source.device)" in source
    assert "mask = source != 0" in source
    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module("port_of_translating.train")
    net = importlib.import_module("port_of_translating.model").Net()
    net = train.load_weights(net).double().eval()
    draw = np.random.default_rng(0)
    for lengths in ((5, 7), (9, 1)):
        texts = [draw.integers(0, 6, (4, length)) for length in lengths]
        texts[0][:, -1] = 0
        made = net(*map(torch.as_tensor, texts))
        # The file has the weights in float32.
        np.testing.assert_allclose(made.detach(), np.asarray(model(texts)), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mask_of(made), texts[1] != 0)
        whole = net(torch.as_tensor(texts[0]).clamp(min=1), torch.as_tensor(texts[1]))
        assert (whole - made).abs().max() > 1e-3  # a mask that is left out is seen


class Ending(L.Layer):
    """Takes a mask and ends it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, x, scale=2.0, mask=None):
        return ops.sum(x * ops.cast(mask, x.dtype)[..., None], axis=1) * scale

    def compute_mask(self, x, mask=None):
        return None


def test_a_layer_ends_a_mask_and_keeps_the_defaults_of_its_call(tmp_path):
    def build():
        tokens = L.Input((5,), dtype="int32")
        x = L.Embedding(6, 4, mask_zero=True)(tokens)
        return keras.Model(tokens, L.Dense(2)(Ending(name="ending")(x)))

    _, source, _ = written(build, tmp_path / "port_of_ending")
    assert "with_mask" not in source
    assert "self.ending(y, mask=mask)" in source
    assert "scale: float = 2.0" in source


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


def masked_steps():
    x = np.random.default_rng(3).normal(size=(2, 5, 3))
    x[:, 3:] = 0.0
    return x


@WITHOUT_MASK
def test_a_lambda_behind_a_mask_is_written_out_and_ends_the_mask_as_in_keras(tmp_path, monkeypatch):
    folder = tmp_path / "port_of_masked"
    told, source, model = written(masked(lambda x: x * 0.5), folder, is_stubbed=False)
    assert told["open"] == []
    assert "self.lstm(y, mask=mask) * 0.5).mean(1)" in source
    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module("port_of_masked.train")
    net = train.load_weights(importlib.import_module("port_of_masked.model").Net()).double()
    made = net(torch.as_tensor(masked_steps())).detach().numpy()
    # The file has the weights in float32.
    np.testing.assert_allclose(made, np.asarray(model(masked_steps())), rtol=1e-5, atol=1e-6)


@WITHOUT_MASK
def test_a_lambda_whose_function_takes_the_mask_is_refused_with_what_to_do(tmp_path):
    def counted(x, mask=None):
        return x if mask is None else x * ops.cast(mask, x.dtype)[..., None]

    with pytest.raises(NoTwinError) as raised:
        written(masked(counted, output_shape=(5, 4)), tmp_path / "port")
    (problem,) = raised.value.problems
    assert problem.startswith("layer 'code' of class 'Lambda': its function takes the mask")
    assert problem.endswith("write it as a layer of your own, whose call has the argument mask")
