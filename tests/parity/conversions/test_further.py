"""A module that takes padding otherwise than Keras is told so, though its weights are placed."""

import keras
import torch
from conversions import converted
from keras import layers as L
from rows import each_row
from torch import nn
from torch.nn.utils import rnn


def saved(path, given, outputs):
    keras.utils.set_random_seed(4)
    keras.Model(given, outputs(given)).save(path)
    return path


def words(path, *, mask_zero=True, sequences=False, ends=1):
    given = keras.Input((7,), dtype="int32", name="x")
    table = L.Embedding(9, 4, mask_zero=mask_zero, name="table")

    def outputs(x):
        x = L.LSTM(5, return_sequences=sequences)(table(x))
        made = [L.Dense(n + 2, name=f"end_{n}")(x) for n in range(ends)]
        return made if ends > 1 else made[0]

    return saved(path / "words.keras", given, outputs)


class Words(nn.Module):
    """With masks: as packed sequences. Without: token 0 is a token like others."""

    def __init__(self, *, masks=True, sequences=False, ends=1):
        super().__init__()
        self.table = nn.Embedding(9, 4)
        self.memory = nn.LSTM(4, 5, batch_first=True)
        self.ends = nn.ModuleList(nn.Linear(5, n + 2) for n in range(ends))
        self.masks, self.sequences = masks, sequences

    def forward(self, tokens):
        x = self.table(tokens)
        if self.masks:
            lengths = (tokens != 0).sum(1)
            x = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        every, (last, _) = self.memory(x)
        if self.sequences:
            if self.masks:
                every, _ = rnn.pad_packed_sequence(every, batch_first=True, total_length=7)
            last = [every]
        made = [end(last[0]) for end in self.ends]
        return tuple(made) if len(made) > 1 else made[0]


@each_row("sequences", [False, True])
@each_row("ends", [1, 2])
def test_packed_sequences_are_a_mask(sequences, ends, tmp_path):
    """What they have at masked steps is free: zeros, where Keras repeats the last output."""
    path = words(tmp_path, sequences=sequences, ends=ends)
    done = converted(path, lambda: Words(sequences=sequences, ends=ends), tmp_path / "a")
    assert done.problems == []
    assert done.error < 1e-13


@each_row("ends", [1, 2])
def test_a_mask_that_is_ignored_is_told_with_its_layer(ends, tmp_path):
    path = words(tmp_path, ends=ends)
    done = converted(path, lambda: Words(masks=False, ends=ends), tmp_path / "a")
    (problem,) = done.problems
    assert "where sequences end with padding" in problem
    assert "token 0 (table with mask_zero=True)" in problem
    assert not done.is_written
    assert done.num_filled == done.num_weights


def test_a_mask_of_which_no_step_that_counts_depends_may_be_missing(tmp_path):
    """A memory that walks forward has not seen the padding at the end."""
    path = words(tmp_path, sequences=True)
    done = converted(path, lambda: Words(masks=False, sequences=True), tmp_path / "a")
    assert done.problems == []


def test_a_mask_that_keras_does_not_have_is_told(tmp_path):
    path = words(tmp_path, mask_zero=False)
    assert converted(path, lambda: Words(masks=False), tmp_path / "a").problems == []
    (problem,) = converted(path, Words, tmp_path / "b").problems
    assert "Keras masks no token here" in problem


class Steps(nn.Module):
    """A mean over the steps that are not filled up, or over all of them."""

    def __init__(self, filler):
        super().__init__()
        self.dense, self.filler = nn.Linear(3, 4), filler

    def forward(self, x):
        counts = torch.ones_like(x[..., :1])
        if self.filler is not None:
            counts = (x != self.filler).any(-1, keepdim=True).to(x)
        return (torch.tanh(self.dense(x)) * counts).sum(1) / counts.sum(1)


@each_row("filler", [0.0, -1.0])
def test_steps_that_masking_leaves_out_are_drawn(filler, tmp_path):
    def outputs(x):
        # Masking sets what it leaves out to 0, of which the mean takes nothing.
        return L.GlobalAveragePooling1D()(L.Dense(4, activation="tanh")(L.Masking(filler)(x)))

    path = saved(tmp_path / "model.keras", keras.Input((6, 3)), outputs)
    assert converted(path, lambda: Steps(filler), tmp_path / "a").problems == []
    (problem,) = converted(path, lambda: Steps(None), tmp_path / "b").problems
    assert "of the class Masking" in problem


def test_numbers_without_a_mask_have_no_padded_batch(tmp_path):
    def outputs(x):
        return L.GlobalAveragePooling1D()(L.Dense(4, activation="tanh")(x))

    path = saved(tmp_path / "model.keras", keras.Input((6, 3)), outputs)
    assert converted(path, lambda: Steps(None), tmp_path / "a").problems == []
