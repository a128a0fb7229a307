"""train.py of a package trains as the program does, once its stubs are written."""

import importlib
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from golden_programs import PROGRAMS, ROWS, X, Y
from rows import each_row

from benchmarks.ported.packages import package_of
from parity.ports import train_text
from torch_impl.trainer import Trainer


def imported(name, folder, monkeypatch, edit=lambda source: source, *, plain=False):
    """train.py of the package of a program, whose source is edited."""
    out = folder / f"trained_{name}_{plain}"
    out.mkdir()
    package_of(SimpleNamespace(name=name, factory=PROGRAMS[name]), out, plain=plain)
    source = (out / "train.py").read_text(encoding="utf-8")
    (out / "train.py").write_text(edit(source), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return importlib.import_module(f"{out.name}.train")


def of_keras(name):
    """The history of `fit` in float64 from the seed 42, and the model."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    reference = PROGRAMS[name]()
    return reference.model.fit(**reference.fit_arguments(), verbose=0).history, reference.model


def test_rules_of_ones_own_train_as_in_keras_once_they_are_written(tmp_path, monkeypatch):
    train = imported("rules", tmp_path, monkeypatch)
    written = {
        "Warmup._rate": lambda self, step, number: (
            self.peak * min((step + 1) / self.steps, 0.5 ** (step / 10))
        ),
        "L2.__call__": lambda self, x: self.factor * x.amax(0).sum(),
        "Clip.__call__": lambda self, w: w.clip(-self.limit, self.limit),
        "halved.__call__": lambda self, w: w * torch.tensor(ROWS),
        "fit": lambda y_pred, y_true: 3 * (y_true - y_pred).abs().mean(),
    }
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(42)
    for name, function in written.items():
        with pytest.raises(NotImplementedError, match="is to be written"):
            Trainer(train.build()).fit(X, Y, batch_size=5)
        monkeypatch.setattr(f"{train.__name__}.{name}", function)
    torch.manual_seed(42)
    history = Trainer(train.build()).fit(X, Y, batch_size=5, epochs=2).history
    expected, _ = of_keras("rules")
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-6)  # rates are in float32


STEP = """\
    loss = (model(data) - 2 * data).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"loss": loss}
"""


def with_step(source):
    begin, _, rest = source.partition("    raise NotImplementedError(")
    return begin + STEP + rest[rest.index("\n\n\n") :]


def test_a_step_of_ones_own_trains_as_in_keras_once_it_is_written(tmp_path, monkeypatch, capsys):
    """Line by line; its file has no targets."""
    train = imported("stepped", tmp_path, monkeypatch, with_step)
    np.savez(tmp_path / "data.npz", x=X)
    files = [str(tmp_path / "data.npz"), "--out", str(tmp_path / "w.pt")]
    monkeypatch.setattr(sys, "argv", ["train", *files, "--dtype", "float64"])
    train.main()
    assert capsys.readouterr().out.startswith("loss ")
    found = torch.load(tmp_path / "w.pt", weights_only=True)
    _, model = of_keras("stepped")
    kernel, bias = map(np.asarray, model.weights[:2])
    np.testing.assert_allclose(found["dense.weight"].numpy().T, kernel, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["dense.bias"].numpy(), bias, rtol=0, atol=1e-12)
    assert np.abs(bias).min() > 0.01


LOSSLESS = "the loss was not ported, see README.md: give build() one"
WEIGHTED = (
    "the file has weights, and the loss takes none: give raised the argument sample_weight, (N,)"
)


@each_row(
    "name, plain, arrays, told",
    [
        ("without", False, {}, LOSSLESS),
        ("without", True, {}, LOSSLESS),
        ("column", False, {"weight": np.ones(20)}, WEIGHTED),
        ("column", False, {"x_val": X, "y_val": Y[:, 0], "weight_val": np.ones(20)}, WEIGHTED),
    ],
)
def test_what_a_training_lacks_ends_it_with_a_sentence(
    name, plain, arrays, told, tmp_path, monkeypatch
):
    train = imported(name, tmp_path, monkeypatch, plain=plain)
    np.savez(tmp_path / "data.npz", x=X, y=Y[:, 0], **arrays)
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path / "data.npz")])
    with pytest.raises(SystemExit) as ended:
        train.main()
    assert str(ended.value) == told


def test_a_part_of_the_path_of_a_weight_is_not_imported():
    body = 'draw_initial(model, [("net.layers.0.kernel", initializers.Zeros())])'
    assert "initializers" in train_text._imports(body)
    assert "layers" not in train_text._imports(body)
