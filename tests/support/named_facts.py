"""What the Keras half tells of a small network in a file, by hand, with any names."""

import numpy as np

SHAPES = {"kernel": (4, 3), "bias": (3,)}, {"kernel": (3, 2), "bias": (2,)}


def _keras(home, kind, **config):
    return {"module": f"keras.{home}", "class_name": kind, "config": config}


def _dense(name, units, source, size):
    tensor = {"shape": [None, size], "dtype": "float32", "keras_history": [source, 0, 0]}
    settings = {
        **{"name": name, "trainable": True, "dtype": "float32", "units": units},
        **{"activation": "relu", "use_bias": True},
        "kernel_initializer": _keras("initializers", "GlorotUniform", seed=None),
        "bias_initializer": _keras("initializers", "Zeros"),
    }
    return {
        **_keras("layers", "Dense", **settings),
        "name": name,
        "build_config": {"input_shape": [None, size]},
        "inbound_nodes": [
            {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}
        ],
    }


def facts_of(given="image", first="hidden", last="last", model="net", output=None):
    """Facts of two layers, and their weights as `write_package` takes them.

    `output` is the key of a dictionary that the network returns; None: it returns a tensor.
    """
    end = [last, 0, 0]
    enters = {"name": given, "batch_shape": [None, 4], "dtype": "float32"}
    layers = [
        {**_keras("layers", "InputLayer", **enters), "name": given, "inbound_nodes": []},
        _dense(first, 3, given, 4),
        _dense(last, 2, first, 3),
    ]
    config = {"name": model, "trainable": True, "layers": layers, "input_layers": [[given, 0, 0]]}
    config["output_layers"] = [end] if output is None else {output: end}
    fit = {"batch_size": None, "epochs": 1, "shuffle": True, "validation_split": 0.0}
    weights = {
        f"{layer}.{name}": np.ones(shape)
        for layer, shapes in zip((first, last), SHAPES, strict=True)
        for name, shape in shapes.items()
    }
    names = {f"{layer}/kernel": number for number, layer in enumerate((first, last))}
    facts = {
        "program": {
            **{"model": _keras("models", "Functional", **config), "problem": "", "shared": []},
            **{"stubbed": [], "own_steps": [], "draws": list(map(list, names.items()))},
            "fit": {**fit, "class_weight": None, "batches": None, "later": None, "others": {}},
        },
        "inputs": [{"name": given, "shape": [4], "tokens": None}],
        "outputs": [{"name": last if output is None else output, "shape": [2]}],
        "output_shape": [2],
        "loss": {"name": "mean_squared_error", "config": {}, "class_weight": None},
        "optimizer": {"class": "SGD", "config": {"name": "SGD", "learning_rate": 0.1}},
        "metrics": {"metrics": ["mae"], "weighted_metrics": []},
        "schedule": {
            "kind": None,
            "callbacks": [{"class": "EarlyStopping", "monitor": "loss", "patience": 2}],
        },
        "weights": {name: {} for name in weights},
        "model_file": "net.keras",
    }
    return facts, {name.replace(".", "/", 1): value for name, value in weights.items()}
