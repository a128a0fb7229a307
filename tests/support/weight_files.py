"""Small trained models of Keras, in all forms in which Keras writes them; written once a run."""

import json
from pathlib import Path

import numpy as np
from made_once import folder_of, locked

FORMS = (".keras", ".weights.h5", ".h5", "_saved_model")
CHECKPOINT = "_checkpoint"  # of TensorFlow, with the slots of the optimizer
MODELS = ("images", "words", "rows")


def weight_files(tmp_path_factory) -> Path:
    """The folder with MODEL.FORM, MODEL.json (the configuration) and MODEL.npz: values by path."""
    folder = folder_of(tmp_path_factory, "weight-files", {"version": 2})
    with locked(folder):
        if not (folder / "done").exists():
            for name in MODELS:
                _write(name, folder)
            (folder / "done").touch()
    return folder


def values(folder: Path, name: str) -> dict[str, np.ndarray]:
    """The weights of a model as Keras has them, by its paths."""
    with np.load(folder / f"{name}.npz") as file:
        found = {key.replace("|", "/"): file[key] for key in file.files}
    # A Sequential puts its own name in front.
    return {key.removeprefix("sequential/"): array for key, array in found.items()}


def config(folder: Path, name: str):
    return json.loads((folder / f"{name}.json").read_text())


def build(name: str):
    """A compiled model, as the files have it but for its values."""
    import keras
    from keras import layers

    keras.backend.clear_session()
    keras.utils.set_random_seed(5)
    if name == "images":
        image = x = keras.Input((8, 8, 3), name="image")
        x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
        x = layers.BatchNormalization(name="norm")(x)
        x = layers.Flatten()(layers.MaxPooling2D()(x))
        x = layers.Dense(6, activation="relu", name="wide")(x)
        first, second = layers.Dense(6, name="first")(x), layers.Dense(6, name="second")(x)
        x = layers.Subtract()([first, second])
        model = keras.Model(image, layers.Dense(5, activation="softmax", name="last")(x))
        model.compile("adam", "mse")
    elif name == "words":
        word = x = keras.Input((7,), dtype="int32", name="word")
        x = layers.Embedding(11, 6)(x)
        x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
        x = layers.GRU(5, return_sequences=True)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 3, name="look")(x, x)])
        x = layers.LayerNormalization()(x)
        x = layers.TimeDistributed(layers.Dense(3))(x)
        x = layers.GlobalAveragePooling1D()(x)
        hidden = [
            keras.Input((3,)),
            layers.Dense(4, activation="tanh"),
            layers.BatchNormalization(),
        ]
        x = keras.Sequential(hidden, name="inner")(x)
        model = keras.Model(word, layers.Dense(2)(x))
        model.compile(keras.optimizers.RMSprop(momentum=0.9, centered=True), "mse")
    else:
        parts = [
            keras.Input((4,)),
            layers.Dense(4, activation="tanh"),
            layers.Dense(4),
            layers.Dense(4),
        ]
        model = keras.Sequential(parts)
        model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    return model


def inputs(name: str) -> np.ndarray:
    draw = np.random.default_rng(3)
    if name == "words":
        return draw.integers(0, 11, (4, 7)).astype("int32")
    return draw.normal(size=(4, 8, 8, 3) if name == "images" else (4, 4)).astype("float32")


def _write(name: str, folder: Path) -> None:
    import tensorflow as tf

    model = build(name)
    x, draw = inputs(name), np.random.default_rng(1)
    model.fit(x, draw.normal(size=(4, *model.output_shape[1:])), verbose=0)
    for weight in model.weights:  # after one step, many are still alike
        if weight.dtype == "float32":
            low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -1.0
            weight.assign(draw.uniform(low, 1.0, weight.shape))
    model.save(folder / f"{name}.keras")
    model.save_weights(folder / f"{name}.weights.h5")
    (folder / f"{name}.json").write_text(model.to_json())
    model.save(folder / f"{name}.h5")  # which takes the optimizer out of its compile config
    tf.train.Checkpoint(model=model).write(str(folder / f"{name}{CHECKPOINT}"))
    model.export(folder / f"{name}_saved_model", verbose=False)
    kept = {w.path.replace("/", "|"): w.numpy() for w in model.weights if "seed_gen" not in w.path}
    np.savez(folder / f"{name}.npz", **kept)
    slots = {f"{n:03d}": v.numpy() for n, v in enumerate(model.optimizer.variables)}
    np.savez(folder / f"{name}_slots.npz", **slots)
    np.save(folder / f"{name}_output.npy", model.predict(x, verbose=0))
