"""A pair of models for the ladder of `parity check`, its numbers computed here in NumPy.

    x (N, 5) -> dense1 (4), ReLU -> dropout 0.5 -> dense2 (3), sigmoid; squared error; SGD

`recorded` is what Keras would write, `ported` what a right port makes of it, by itself and with
Keras's values after every layer. Change one array or fact, then `write` it.
"""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from traces import Parts

from parity.data import probe_inputs
from parity.traces.bundle import pack
from parity.traces.trace import Trace

BATCH, STEPS, RATE, LEARNING_RATE = 4, 2, 0.5, 0.25
GIVEN = (4, 1)  # sizes of the batches of given outputs
SHAPES = {
    "dense1.kernel": (5, 4),
    "dense1.bias": (4,),
    "dense2.kernel": (4, 3),
    "dense2.bias": (3,),
}
# Name, kind, weights, and the module that stands for it in the port.
NODES = (
    ("dense1", "dense", ["dense1.kernel", "dense1.bias"], "0"),
    ("dense1.activation", "activation:relu", [], "1"),
    ("dropout", "dropout", [], "2"),
    ("dense2", "dense", ["dense2.kernel", "dense2.bias"], "3"),
    ("dense2.activation", "activation:sigmoid", [], "4"),
)


class Recorded(Parts):
    """What a bundle is made of."""

    def read(self, directory: Path) -> Trace:
        """The trace that Keras would leave in a folder, as a check reads it."""
        self.write(directory)
        return Trace(directory, directory)

    def pack(self, path: Path) -> Path:
        """The bundle of that trace."""
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder))
            pack(Path(folder), path)
        return path


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layers(weights, x, kept=None):
    """Input and output of every node; `kept` is the mask of the dropout in train mode."""
    linear1 = x @ weights["dense1.kernel"] + weights["dense1.bias"]
    hidden = np.maximum(linear1, 0)
    dropped = hidden if kept is None else np.where(kept, hidden / (1 - RATE), 0.0)
    linear2 = dropped @ weights["dense2.kernel"] + weights["dense2.bias"]
    values = [x, linear1, hidden, dropped, linear2, sigmoid(linear2)]
    return {node[0]: pair for node, pair in zip(NODES, pairwise(values), strict=True)}


def output_slopes(weights, passed, y, kept):
    """The gradient of the mean squared error by the output of each node."""
    output = passed["dense2.activation"][1]
    last = 2 * (output - y) / y.size
    second = last * output * (1 - output)
    dropped = second @ weights["dense2.kernel"].T
    hidden = np.where(kept, dropped / (1 - RATE), 0.0)
    found = [hidden * (passed["dense1"][1] > 0), hidden, dropped, second, last]
    return {node[0]: slope for node, slope in zip(NODES, found, strict=True)}


def slopes(weights, passed, y, kept):
    """The gradient of the mean squared error by each weight."""
    found = output_slopes(weights, passed, y, kept)
    first, second = found["dense1"], found["dense2"]
    return {
        "dense1.kernel": passed["dense1"][0].T @ first,
        "dense1.bias": first.sum(0),
        "dense2.kernel": passed["dense2"][0].T @ second,
        "dense2.bias": second.sum(0),
    }


def recorded(seed=3) -> Recorded:
    """What Keras computes of the network above."""
    draw = np.random.default_rng(seed)
    weights = {name: draw.normal(size=shape) for name, shape in SHAPES.items()}
    found = Recorded(facts=_facts(), spec=_spec(seed), environment={"framework": "none"})
    arrays = found.arrays
    for name, shape in SHAPES.items():
        arrays[f"weights/{name}"] = weights[name]
        bound = np.sqrt(6 / sum(shape)) if name.endswith("kernel") else 0.0
        arrays[f"init/{name}"] = draw.uniform(-bound, bound, size=(5, int(np.prod(shape))))
    sizes = probe_inputs.batches(STEPS, BATCH)
    for purpose, size in [("probe", BATCH), *((f"step{n + 1}", k) for n, k in enumerate(sizes))]:
        arrays[f"input/{purpose}/0"] = draw.normal(size=(size, 5))
        arrays[f"target/{purpose}"] = draw.normal(size=(size, 3))
        mode = "train" if purpose == "probe" else purpose
        arrays[f"mask/{mode}/dropout"] = draw.random((size, 4)) < 0.6
    x, y, kept = arrays["input/probe/0"], arrays["target/probe"], arrays["mask/train/dropout"]
    for mode, mask in (("eval", None), ("train", kept)):
        passed = layers(weights, x, mask)
        for name, (given, made) in passed.items():
            arrays[f"forward/{mode}/{name}/input/0"] = given
            arrays[f"forward/{mode}/{name}/output"] = made
        arrays[f"forward/{mode}/output"] = passed["dense2.activation"][1]
    arrays["loss/value"] = np.mean((arrays["forward/train/output"] - y) ** 2)
    arrays["loss/penalty"] = np.array(0.0)
    gradients = slopes(weights, passed, y, kept)
    arrays |= {f"gradient/{name}": value for name, value in gradients.items()}
    arrived = output_slopes(weights, passed, y, kept)
    arrays |= {f"output_gradient/{name}": value for name, value in arrived.items()}
    _confident(arrays, draw)
    _measured(arrays, draw)
    _trained(arrays, weights)
    _optimized(arrays, weights, seed)
    found.facts["noise"] = {
        key: 1e-16
        for key in arrays
        if key.startswith(("forward/", "loss/", "gradient/", "trajectory/"))
    }
    return found


def _confident(arrays, draw):
    linear, y = draw.normal(size=(8, 3)) * 5, draw.normal(size=(8, 3))
    output = sigmoid(linear)
    arrays["loss/confident/linear"], arrays["loss/confident/target"] = linear, y
    arrays["loss/confident/value"] = np.mean((output - y) ** 2)
    arrays["loss/confident/gradient"] = 2 * (output - y) / y.size * output * (1 - output)


def _measured(arrays, draw):
    """The mean absolute error of given outputs, and of the model's own."""
    linear, y = draw.normal(size=(sum(GIVEN), 3)), draw.normal(size=(sum(GIVEN), 3))
    arrays["metric_input/linear"], arrays["metric_input/target"] = linear, y
    arrays["metric_input/output"] = sigmoid(linear)
    errors = np.abs(sigmoid(linear) - y).mean(-1)
    arrays["metric/given/mae"] = np.array([errors[: GIVEN[0]].mean(), errors.mean()])
    for mode in ("eval", "train"):
        errors = np.abs(arrays[f"forward/{mode}/output"] - arrays["target/probe"]).mean(-1)
        arrays[f"metric/{mode}/mae"] = np.array([errors.mean(), np.mean([*errors, errors[0]])])


def _trained(arrays, weights):
    weights, losses = dict(weights), []
    arrays["trajectory/rates"] = np.full(STEPS, LEARNING_RATE)
    for step in range(1, STEPS + 1):
        y, kept = arrays[f"target/step{step}"], arrays[f"mask/step{step}/dropout"]
        passed = layers(weights, arrays[f"input/step{step}/0"], kept)
        losses.append(np.mean((passed["dense2.activation"][1] - y) ** 2))
        for name, slope in slopes(weights, passed, y, kept).items():
            weights[name] = weights[name] - LEARNING_RATE * slope
            arrays[f"trajectory/{step}/{name}"] = weights[name]
    arrays["trajectory/losses"] = np.array(losses)


def _optimized(arrays, weights, seed):
    weights, rates = dict(weights), []
    for step in range(1, probe_inputs.NUM_OPTIMIZER_STEPS + 1):
        is_cut = step >= probe_inputs.CUT_BEFORE
        rates.append(LEARNING_RATE * (probe_inputs.CUT_FACTOR if is_cut else 1))
        for name, shape in SHAPES.items():
            slope = probe_inputs.gradient(seed, step, name, shape)
            weights[name] = weights[name] - rates[-1] * slope
            if step in probe_inputs.OPTIMIZER_STEPS:
                arrays[f"optimizer/{step}/weights/{name}"] = weights[name]
    arrays["optimizer/learning_rate"] = np.array(rates)


def _facts():
    sides = {"dense1": (5, 4), "dense2": (4, 3), "dense2.activation": (3, 3)}
    nodes = []
    for number, (name, kind, weights, _) in enumerate(NODES):
        before, after = sides.get(name, (4, 4))
        config = {"rate": RATE} if kind == "dropout" else {"name": name}
        nodes.append(
            {
                "name": name,
                "kind": kind,
                "config": config,
                "input_shapes": [[BATCH, before]],
                "output_shape": [BATCH, after],
                "sources": [number - 1],
                "weights": list(weights),
            }
        )
    uniform, zeros = {"class": "GlorotUniform", "seed": None}, {"class": "Zeros"}
    return {
        "nodes": nodes,
        "inputs": [{"name": "x", "shape": [5], "tokens": None}],
        "input_structure": 0,
        "output_shape": [3],
        "weights": {
            name: {"shape": list(shape), "trainable": True} for name, shape in SHAPES.items()
        },
        "initializers": {n: uniform if n.endswith("kernel") else zeros for n in SHAPES},
        "loss": {"name": "mean_squared_error", "config": {}, "class_weight": None},
        "metrics": {"metrics": ["mae"], "weighted_metrics": []},
        "metric_probe": {"names": ["mae"], "float32": [], "sizes": list(GIVEN), "weights": None},
        "optimizer": {"class": "SGD", "config": {"learning_rate": LEARNING_RATE, "momentum": 0.0}},
        "output_activation": "sigmoid",
        "num_parameters": sum(int(np.prod(shape)) for shape in SHAPES.values()),
        "schedule": {"kind": None, "callbacks": [], "not_compared": []},
    }


def _spec(seed):
    return {"keras": "nets.py:build", "seed": seed, "steps": STEPS, "batch_size": BATCH}


# --- the port ------------------------------------------------------------------------------------


def ported(reference: Recorded) -> Parts:
    """What the torch half writes of a port that is right."""
    arrays = {}
    for key, array in reference.arrays.items():
        part, _, rest = key.partition("/")
        if part in ("init", "weights", "metric", "gradient", "optimizer", "state", "schedule"):
            arrays[key] = array.copy()
        elif part == "forward":
            arrays[key] = array.copy()
            if rest.endswith("/output") and rest.count("/") > 1:
                arrays[f"{key.removesuffix('output')}own"] = array.copy()
        elif part == "trajectory" and rest not in ("losses", "rates"):
            arrays[key] = array.copy()
        if part in ("gradient", "state"):
            arrays[f"forced/{key}"] = array.copy()
        # What reaches the last activation is not compared: a loss may go round it.
        elif part == "output_gradient" and rest != NODES[-1][0]:
            arrays[f"forced/arrived/{rest}"] = array.copy()
    for key in ("loss/value", "loss/confident/value", "loss/confident/gradient"):
        arrays[key] = reference.arrays[key].copy()
    arrays["loss/own"] = reference.arrays["loss/value"].copy()
    for step, loss in enumerate(reference.arrays["trajectory/losses"], start=1):
        arrays[f"trajectory/loss/{step}"] = np.array(loss)
    return Parts(arrays, _port_facts(reference), {}, {"torch": "ports.py:build"})


def went_wrong(port: Parts) -> None:
    """Moves what a port returns in both modes, as a difference of any of its layers would."""
    for mode in ("eval", "train"):
        port.arrays[f"forward/{mode}/output"] = port.arrays[f"forward/{mode}/output"] + 1


def _port_facts(reference):
    nodes = []
    for (_, kind, weights, name), node in zip(NODES, reference.facts["nodes"], strict=True):
        nodes.append(
            {
                "name": name,
                "kind": kind,
                "where": f"ports.py:{10 + int(name)}",
                "weights": {w.partition(".")[2]: list(SHAPES[w]) for w in weights},
                "input_forms": [node["input_shapes"]],
                "output_shapes": [node["output_shape"]],
                "sources": node["sources"],
                "rate": RATE if kind == "dropout" else None,
                "is_active": kind == "dropout",
            }
        )
    return {
        "nodes": nodes,
        "pairs": [[node[0], node[3]] for node in NODES],
        "ends": {node[0]: [node[0], node[0]] for node in NODES},
        "dropped_axes": {"dropout": []},
        "keras_left": [],
        "torch_left": [],
        "problems": [],
        "metric_names": {"mae": "mae"},
        "fed": "fed as Keras is",
        "weights": {name: {"shape": list(shape)} for name, shape in SHAPES.items()},
        "not_carried": [],
        "num_parameters": reference.facts["num_parameters"],
        "settings": {node[3]: {} for node in NODES},
        "flattened": {},
        "given": {
            "loss": True,
            "optimizer": True,
            "scheduler": True,
            "early_stopping": False,
            "load": False,
        },
        "optimizer": {"class": "torch.optim.sgd.SGD", "groups": [{"lr": LEARNING_RATE}]},
        "schedulers": [],
        "scheduler_interval": "epoch",
        "loss": {"class": "torch.nn.modules.loss.MSELoss"},
        "active_dropouts": {"eval": [], "train": ["2"]},
        "output_form": "same",
        "targets": {
            mode: {node[0]: f"forward/{mode}/{node[0]}/output" for node in NODES}
            for mode in ("eval", "train")
        },
        "style": [],
        "awaited": [node[0] for node in NODES[:-1]],  # the loss may go round the last activation
        "unshaped": [],
        "raised": {},
    }
