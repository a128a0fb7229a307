"""Trainings of a built-in scenario by `fit` of either half, with all that they draw."""

import random
from dataclasses import dataclass, field

import numpy as np

import keras_impl.train
import torch_impl.train
from keras_impl.weights import get_weights as weights_of_keras
from torch_impl.weights import get_weights as weights_of_torch


@dataclass
class Drawn:
    """What a training draws.

    Attributes:
        start: initial weights, by name.
        fed: images (N, H, W, C) and labels of every step.
        masks: seed of each layer that drops, and how many masks it has drawn.
        numpy: state of the generator of flows, at the end.
        python: state of Python's generator, at the end.
        final: weights that the training ends with.
    """

    start: dict = field(default_factory=dict)
    fed: list = field(default_factory=list)
    masks: list = field(default_factory=list)
    numpy: tuple = ()
    python: tuple = ()
    final: dict = field(default_factory=dict)


def by_keras(monkeypatch, spec, data):
    """Of Keras, whose steps are run as they are: a graph of them takes longer than their work."""
    drawn, models, build = Drawn(), [], keras_impl.train.build_model

    def build_watched(*arguments):
        model = build(*arguments)
        step, model.run_eagerly = model.train_step, True

        def watched_step(batch):
            x, y = (part.numpy() for part in batch)
            drawn.fed.append((x, y))
            return step(batch)

        model.train_step = watched_step
        drawn.start = weights_of_keras(model)
        models.append(model)
        return model

    monkeypatch.setattr(keras_impl.train, "build_model", build_watched)
    drawn.final = keras_impl.train.fit(spec, data).weights
    (model,) = models
    generators = [layer.seed_generator for layer in model.layers if hasattr(layer, "rate")]
    drawn.masks = [tuple(generator.state.numpy().tolist()) for generator in generators]
    drawn.numpy, drawn.python = np.random.get_state(), random.getstate()
    return drawn


def by_torch(monkeypatch, spec, data):
    """Of the port, by what Keras has of each."""
    drawn, built = Drawn(), []
    build, step = torch_impl.train.build_model, torch_impl.train.Training.step

    def build_watched(*arguments):
        built.extend(build(*arguments))
        drawn.start = weights_of_torch(built[0])
        return tuple(built)

    def watched_step(training, batch):
        drawn.fed.append((batch.x.permute(0, 2, 3, 1).numpy(), batch.y.numpy()))
        return step(training, batch)

    monkeypatch.setattr(torch_impl.train, "build_model", build_watched)
    monkeypatch.setattr(torch_impl.train.Training, "step", watched_step)
    drawn.final = torch_impl.train.fit(spec, data).weights
    model, seeds = built
    drawn.masks = [(layer.seed, layer.num_calls) for layer in model if hasattr(layer, "rate")]
    drawn.numpy, drawn.python = seeds.numpy.get_state(), seeds.python.getstate()
    return drawn
