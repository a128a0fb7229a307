"""Programs in the children of a sweep: what Keras tells, and what each half trains by itself."""

import os
import re
from dataclasses import replace
from string import Template

import keras
import numpy as np
import pytest
import torch
from programs_here import FOLDER
from torch import nn

import parity.halves.keras
import parity.halves.torch
from parity.errors import InputError, RunError
from parity.halves.keras.program.feed import Written
from parity.halves.keras.program.source import Source
from parity.programs.program_spec import ProgramSpec
from parity.sweeps.batch import FAILED, FEEDS, TOLD, FeedMissing, write_telling
from parity.sweeps.child import SweptProgram, content_digest, feed_of, tell_batch, train_program
from parity.sweeps.task import Task
from torch_impl import Port

pytestmark = pytest.mark.long

PROGRAM = ProgramSpec(
    keras="keras_side.py:build", torch="torch_side.py:build", folder=str(FOLDER), epochs=2
)

KERAS = """
import keras
import numpy as np
from keras_impl import Reference

draw = np.random.default_rng(3)  # lives as long as the module

def model():
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    net.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return net

def fixed(rows=90):
    x = draw.normal(size=(rows, 4))
    return Reference(model(), x=x, y=(x[:, 0] > 0) * 1.0, validation_split=0.2, epochs=2)

def by_seed():
    x = np.random.normal(size=(90, 4))
    return Reference(model(), x=x, y=(x[:, 0] > 0) * 1.0, epochs=1)

def raises():
    if np.random.uniform() < 0.5:
        raise KeyError("unlucky")
    return fixed()

def masks():
    net = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")]
    )
    net.compile("sgd", "mse", metrics=["accuracy"])
    x = draw.normal(size=(40, 6, 6, 1))
    return Reference(net, x=x, y=(x > 0) * 1.0, validation_split=0.2, epochs=2)

def heads(as_dict=True):
    inputs = keras.Input((4,))
    h = keras.layers.Dense(3, name="h")(inputs)
    parts = {
        "yes": keras.layers.Dense(1, activation="sigmoid", name="of_yes")(h),
        "kind": keras.layers.Dense(3, activation="softmax", name="of_kind")(h),
    }
    net = keras.Model(inputs, parts if as_dict else list(parts.values()))
    yes, kind = ("yes", "kind") if as_dict else ("of_yes", "of_kind")
    losses = {yes: "binary_crossentropy", kind: "sparse_categorical_crossentropy"}
    net.compile("sgd", losses, metrics={yes: ["accuracy"], kind: ["accuracy"]})
    x = draw.normal(size=(90, 4))
    y = (x[:, 0] > 0) * 1.0, np.argmax(x[:, :3], 1)
    y = dict(zip((yes, kind), y)) if as_dict else y
    return Reference(net, x=x, y=y, validation_split=0.2, epochs=2)

def listed():
    return heads(as_dict=False)

class Subclassed(keras.Model):
    def call(self, x):
        return {"a": x, "b": x}

def subclassed():
    net = Subclassed()
    net.compile("sgd", {"a": "mse", "b": "mse"})
    x = draw.normal(size=(9, 4))
    return Reference(net, x=x, y={"a": x, "b": x})

class Flow(keras.utils.PyDataset):
    def __len__(self):
        return 3
    def __getitem__(self, number):
        self.passes = getattr(self, "passes", 0)
        return np.full((5, 4), number + 10.0 * self.passes), np.ones(5)
    def on_epoch_end(self):
        self.passes += 1

def flow():
    return Reference(
        model(), x=Flow(), epochs=3, validation_data=Flow(),
        callbacks=[keras.callbacks.EarlyStopping(patience=0)],
    )
"""


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "keras_net.py").write_text(KERAS)

    def spec(name, seed=0, **settings):
        given = {"keras": f"keras_net.py:{name}", "torch": "none.py:build", **settings}
        return ProgramSpec(program="mine", folder=str(tmp_path), seed=seed, **given)

    return spec


def told(spec):
    task = SweptProgram(spec, lambda: None, trains=False)
    parity.halves.keras.fit_program(task)
    return task


def tell(directory, specs, max_bytes=10**9):
    tasks = [Task("torch", spec, f"{number:064x}") for number, spec in enumerate(specs)]
    write_telling(directory, tasks, max_bytes)
    tell_batch(parity.halves.keras, directory, os.getppid())
    return {int(path.name, 16): path.read_text() for path in sorted((directory / TOLD).iterdir())}


@pytest.fixture(autouse=True, scope="module")
def half_is_configured():
    """Threads of this process are set already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity.halves.keras, "configure", lambda spec: None, raising=False)
        yield


def test_arrays_are_told_in_the_order_in_which_they_are_given():
    task = told(PROGRAM)
    from keras_side import x, x_val, y  # the module of the program

    nests, fit = task.nests, task.settings["fit"]
    for told_array, given in ((nests["x"], x), (nests["y"], y), (nests["val"][0], x_val)):
        np.testing.assert_array_equal(told_array, given)
    expected = {"batch_size": 16, "epochs": 2, "shuffle": True}
    assert fit.items() >= {**expected, "class_weight": {"0": 0.7, "1": 2.1}}.items()
    assert (task.settings["has_penalties"], task.settings["has_accuracy"]) == (True, True)


def test_a_seed_is_told_as_if_it_were_the_first_of_its_process(spec):
    """A generator of a module would go on from one seed to the next otherwise."""
    for name, seeds in (("fixed", (0, 1)), ("by_seed", (5, 5))):
        one, two = (content_digest(told(spec(name, seed)).nests) for seed in seeds)
        assert one == two


@pytest.mark.parametrize(
    ("name", "num_seeds", "num_feeds"), [("fixed", 5, 1), ("by_seed", 3, 3), ("flow", 3, 3)]
)
def test_a_feed_is_kept_for_all_seeds_that_change_nothing_in_it(
    spec, tmp_path, name, num_seeds, num_feeds
):
    found = tell(tmp_path / "told", [spec(name, seed) for seed in range(num_seeds)])
    kept = sorted(path.stem for path in (tmp_path / "told" / FEEDS).iterdir())
    assert (len(found), len(kept), sorted({*found.values()})) == (num_seeds, num_feeds, kept)


def test_there_is_no_more_on_the_disk_than_has_room_and_one_feed(spec, tmp_path):
    specs = [spec("by_seed", seed) for seed in range(5)]
    assert sorted(tell(tmp_path / "told", specs, max_bytes=5000)) == [0, 1]  # one has about 4,500
    with pytest.raises(FeedMissing):
        feed_of(tmp_path / "told", f"{4:064x}", os.getppid())


def test_a_factory_that_raises_with_one_seed_does_not_keep_the_others(spec, tmp_path, capfd):
    found = tell(tmp_path / "told", [spec("raises", seed) for seed in range(6)])
    failed = {int(path.name, 16) for path in (tmp_path / "told" / FAILED).iterdir()}
    assert 0 < len(found) < 6
    assert failed == set(range(6)) - found.keys()
    with pytest.raises(RunError, match="KeyError: 'unlucky'"):
        feed_of(tmp_path / "told", f"{min(failed):064x}", os.getppid())


def fed_to(spec):
    """The first values of the batches that a training of Keras's is fed, without callbacks."""
    written = Written(10**9)

    def on_fit(reference):
        written.watch(reference.model, "train_step")
        reference.model.fit(**{**reference.fit_arguments(), "callbacks": []}, verbose=0)

    keras.utils.set_random_seed(spec.seed)
    Source(spec).train(on_fit)
    return [float(batch[0][0, 0]) for batch in written.batches]


def test_what_a_dataset_gives_is_told_batch_by_batch_over_all_epochs(spec):
    task = told(spec("flow"))
    values = [float(batch[0][0, 0]) for batch in task.nests["train_batches"]]
    assert values == fed_to(spec("flow"))
    assert len({*values}) > 3  # it changes from epoch to epoch
    assert task.settings["epoch_ends"] == [3, 6, 9]  # no rule ends it, since nothing is trained
    assert len(task.nests["val_batches"]) == 3


def test_a_dataset_beyond_max_feed_is_an_error(spec, monkeypatch):
    monkeypatch.setattr("parity.halves.keras.program.alone.MIB", 100)
    with pytest.raises(InputError, match=re.escape("more than max_feed=1 MiB")):
        told(spec("flow", max_feed=1))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Two seeds of each half of the program of these tests."""
    folder, found = tmp_path_factory.mktemp("records") / "told", {}
    specs = [PROGRAM.replace(seed=seed, sets_seed=True) for seed in (0, 1)]
    tell(folder, specs)
    for seed, spec in enumerate(specs):
        feed = feed_of(folder, f"{seed:064x}", os.getppid())
        found["keras", seed] = train_program(parity.halves.keras, "keras", spec, os.getppid(), None)
        for again in ("torch", "again"):
            record = train_program(parity.halves.torch, "torch", spec, os.getppid(), feed)
            found[again, seed] = record
    return found


def test_both_halves_train_whole_on_the_same_samples(records):
    fed = records["keras", 0]["fed_sha256"]
    for record in records.values():
        assert (record["num_train"], record["num_val"], record["fed_sha256"]) == (70, 23, fed)
        assert len(record["history"]["val_accuracy"]) == 2
        assert "folder" not in record["spec"]


def test_a_seed_is_one_training_and_each_half_and_seed_another(records):
    losses = {place: record["history"]["loss"] for place, record in records.items()}
    assert records["torch", 0]["history"] == records["again", 0]["history"]
    assert len({losses[key, seed][0] for key in ("keras", "torch") for seed in (0, 1)}) == 4


def swept(spec, tmp_path, port):
    """Trains a port of a test on what a program tells."""
    (tmp_path / "port.py").write_text(port)
    task = replace(told(spec), spec=spec.replace(torch="port.py:build"), trains=True)
    return parity.halves.torch.fit_program(task)


PORT = """
import torch
from torch import nn
from torch_impl import Port

def build():
    net = nn.Sequential(nn.Linear(4, 1){0})
    return Port(net, loss={1}, optimizer=torch.optim.SGD(net.parameters(), lr=0.1){2})
"""


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ("", "nn.BCEWithLogitsLoss()"),
        (", nn.Sigmoid()", "nn.BCELoss()"),
        (", nn.Sigmoid()", "None"),
    ],
    ids=["logits", "probabilities", "keras_loss"],
)
def test_a_port_without_metrics_has_keras_accuracy_whatever_it_returns(last, loss, spec, tmp_path):
    """The labels (N,) are fed as columns where the loss needs them."""
    history = swept(spec("fixed"), tmp_path, PORT.format(last, loss, "")).history
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history["accuracy"][-1] > 0.5
    assert history["loss"][1] < history["loss"][0]


HEADS = """
import torch
from torch import nn
from torch_impl import Port

class Net(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.h, self.yes, self.kind = nn.Linear(4, 3), nn.Linear(3, 1), nn.Linear(3, 3)
        self.last = last

    def forward(self, x):
        h = self.h(x)
        yes, kind = self.yes(h), self.kind(h)
        if self.last:
            yes, kind = yes.sigmoid(), kind.softmax(1)
        return $returned

def build():
    net = Net(last=$last)
    losses = $losses
    return Port(net, loss=losses, optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
"""
BCE, CE = "nn.BCEWithLogitsLoss()", "nn.CrossEntropyLoss()"
LOG = "lambda p, y: nn.functional.nll_loss(p.log(), y)"


@pytest.mark.parametrize(
    ("model", "port"),
    [
        (
            "heads",
            {
                "returned": "{'kind': kind, 'yes': yes}",
                "losses": f"dict(yes={BCE}, kind={CE})",
                "last": "False",
            },
        ),
        ("listed", {"returned": "yes, kind", "losses": f"[{BCE}, {CE}]", "last": "False"}),
        (
            "listed",
            {"returned": "yes, kind", "losses": f"[nn.BCELoss(), {LOG}]", "last": "True"},
        ),
    ],
    ids=["named", "in_order", "probabilities"],
)
def test_a_port_with_several_outputs_has_keras_columns_whatever_it_returns(
    model, port, spec, tmp_path
):
    """Only the labels (N,) of the loss that needs them are fed as a column."""
    history = swept(spec(model), tmp_path, Template(HEADS).substitute(port)).history
    names = ("yes", "kind") if model == "heads" else ("of_yes", "of_kind")
    columns = {"loss", *(f"{name}_{what}" for name in names for what in ("loss", "accuracy"))}
    assert set(history) == columns | {f"val_{name}" for name in columns}
    assert history["loss"][1] < history["loss"][0]
    # One pass after the last step: what the metric says of probabilities and of logits is alike.
    assert 0.2 < history[f"{names[1]}_accuracy"][-1] <= 1


def test_several_outputs_are_told_with_shapes_activations_and_accuracies(spec):
    heads, listed, fixed = (
        told(spec(name)).settings["outputs"] for name in ("heads", "listed", "fixed")
    )
    assert heads == [
        {"name": "kind", "shape": [3], "activation": "softmax", "has_accuracy": True},
        {"name": "yes", "shape": [1], "activation": "sigmoid", "has_accuracy": True},
    ]
    assert ([each["name"] for each in listed], fixed) == (["of_yes", "of_kind"], [])


@pytest.mark.parametrize(
    ("model", "port", "message"),
    [
        (
            "heads",
            PORT.format("", "None", ""),
            "gives no loss, and Keras's model has several outputs",
        ),
        (
            "fixed",
            "from torch import nn\n\ndef build():\n    return nn.Linear(4, 1)\n",
            "has no optimizer",
        ),
        (
            "fixed",
            PORT.format("", "nn.MSELoss()", "").replace("Linear(4", "Linear(7"),
            "cannot take the batch",
        ),
    ],
    ids=["no loss", "no optimizer", "other inputs"],
)
def test_a_port_that_cannot_be_trained_is_told(model, port, message, spec, tmp_path):
    with pytest.raises(InputError, match=message):
        swept(spec(model), tmp_path, port)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Sequential(nn.Conv2d(3, 1, 3), nn.Flatten()), (5, 6, 8, 3)),
        (nn.Sequential(nn.Conv1d(3, 1, 3), nn.Flatten()), (5, 8, 3)),
        (nn.LSTM(3, 2, batch_first=True), (5, 8, 3)),
    ],
    ids=["images", "signals", "sequences"],
)
def test_a_module_gets_the_layout_that_it_takes(module, shape):
    from parity.halves.torch.port.outputs import Outputs
    from parity.halves.torch.program.alone import OwnStepper
    from torch_impl.trainer import Batch

    settings = {"activation": None, "output_shape": None, "metrics_are_own": True, "outputs": []}
    port = Port(module, nn.MSELoss(), torch.optim.SGD(module.parameters(), 0.1))
    stepper = OwnStepper(port, settings, Outputs([], {}))
    batch = Batch(np.zeros(shape, "float64"), np.zeros(5))
    stepper.see(batch)
    assert torch.isfinite(stepper.forward(stepper.prepared(batch).x)).all()


def test_the_same_content_has_the_same_digest_however_it_is_nested_in_lists():
    x = np.arange(6.0).reshape(2, 3)
    one = content_digest({"x": (x, x + 1), "y": None})
    assert content_digest({"y": None, "x": [x, x + 1]}) == one
    for other in (
        {"x": (x + 1, x), "y": None},
        {"x": (x.astype("float32"), x + 1), "y": None},
        {"x": (x.reshape(3, 2), x + 1), "y": None},
        {"x": ((x, x + 1),), "y": None},
        {"x": {"a": x, "b": x + 1}, "y": None},
        {"x": (x, x + 1), "y": x},
    ):
        assert content_digest(other) != one
