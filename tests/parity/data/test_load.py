"""The split of a source into the six arrays of a run."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import each_row
from scipy import stats

from parity.data.load import load_data, run_data
from parity.errors import InputError
from parity.programs.run_spec import RunSpec


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A source of 12 training and 4 test images of one pixel, which is the image's number."""
    path = tmp_path_factory.mktemp("source") / "numbered.npz"
    np.savez(
        path,
        x_train=np.arange(12, dtype=np.uint8).reshape(12, 1, 1),
        y_train=np.arange(12) % 3,
        x_test=np.arange(100, 104, dtype=np.uint8).reshape(4, 1, 1),
        y_test=np.array([0, 1, 2, 0]),
    )
    return path


def numbers(images):
    """Which images of the source these are."""
    return np.rint(images.ravel() * 255).astype(int).tolist()


PARTS = ("train", "val", "test")


REFUSED = [
    *(({n: size}, f"{n} is {size}; expected at least 1") for n in PARTS for size in (0, -1)),
    *(
        ({name: value}, f"{name} is {value!r}; expected an integer")
        for name in (*PARTS, "seed")
        for value in (2.0, "2", True)
    ),
    *(
        (sizes, "has 12 images; expected at least train + val")
        for sizes in ({"train": 12}, {"val": 12}, {"train": 11, "val": 2})
    ),
    ({"test": 5}, "has 4 images; expected at least test = 5"),
    ({"split": "first"}, "random, last, sorted"),
    *(
        ({name: value}, f"{name} is {value!r}; expected a fraction in")
        for name in ("label_noise", "leakage")
        for value in (-0.1, 1.1, 2, float("nan"), "0.5", None, True, [0.1])
    ),
    (
        {"train": 3, "val": 8, "leakage": 0.5},
        "leakage 0.5 of 8 validation samples is 4; expected at most the 3 training",
    ),
]


@each_row(("options", "message"), REFUSED)
def test_what_no_split_can_be_is_refused(numbered, options, message):
    """Where the source has no part in it, before the source is looked at."""
    source = numbered if "images" in message or "samples" in message else "nothing.npz"
    with pytest.raises(InputError, match=rf"\A.*{re.escape(message)}.*\Z"):
        load_data(source, **options)


@each_row("split", ["random", "last", "sorted"])
def test_a_split_is_numpys_permutation_or_keras_rule(numbered, split):
    """Image n has the label n % 3; Python's sort is stable. NumPy's global state is left alone."""
    state = np.random.get_state()[1].tolist()
    data = load_data(numbered, train=6, val=3, seed=7, split=split)
    assert np.random.get_state()[1].tolist() == state
    drawn = np.random.default_rng(7).permutation(12).tolist()[:9]
    by_label = sorted(drawn, key=lambda number: number % 3)
    expected = {"random": drawn, "last": list(range(9)), "sorted": by_label}[split]
    found = [numbers(x) for x in (data.x_train, data.x_val, data.x_test)]
    assert found == [expected[:6], expected[6:], [100, 101, 102, 103]]
    assert labels_of(data).tolist() == [number % 3 for number in expected]


@each_row(
    ("options", "sizes"),
    [({}, (5000, 1000, 2000)), ({"train": 20, "val": 10, "test": 5, "seed": 42}, (20, 10, 5))],
)
def test_the_embedded_data_are_the_default_and_have_the_types_shapes_and_ranges_of_all(
    options, sizes
):
    data = load_data(**options)
    assert (data.source, data.input_shape, data.num_classes) == ("embedded", (28, 28, 1), 10)
    for part, count in zip(PARTS, sizes, strict=True):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        assert (x.dtype, x.shape) == (np.float32, (count, 28, 28, 1))
        assert (y.dtype, y.shape, x.min(), 0.9 < x.max() <= 1) == (np.int64, (count,), 0, True)


def test_a_byte_becomes_its_quotient_by_255_in_float32(tmp_path):
    two = np.tile(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (2, 1, 1))
    np.savez(tmp_path / "all.npz", x_train=two, y_train=[0, 1], x_test=two, y_test=[0, 1])
    expected = [float(np.float32(p) / np.float32(255)) for p in range(256)]
    assert load_data(tmp_path / "all.npz").x_test[0].ravel().tolist() == expected


@given(train=st.integers(1, 8), val=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_a_sorted_split_has_the_samples_of_a_random_one_and_validates_on_the_last_classes(
    numbered, train, val, seed
):
    sizes = {"train": train, "val": val, "seed": seed}
    data, plain = (load_data(numbered, **sizes, split=name) for name in ("sorted", "random"))
    assert (len(data.x_train), len(data.x_val)) == (train, val)
    assert data.y_train.max() <= data.y_val.min()
    used, drawn = (sorted(numbers(d.x_train) + numbers(d.x_val)) for d in (data, plain))
    assert (used, load_data(numbered, **sizes, split="sorted").sha256) == (drawn, data.sha256)


SIZES = {"train": 2000, "val": 1000, "test": 50}


def labels_of(data):
    """The labels of training and validation."""
    return np.concatenate([data.y_train, data.y_val])


@each_row("split", ["random", "last", "sorted"])
@each_row("fraction", [0.05, 0.3, 0.9])
def test_noise_changes_as_many_labels_of_training_and_validation_as_are_redrawn_and_nothing_else(
    split, fraction
):
    options = {**SIZES, "seed": 5, "split": split}
    plain, noisy = load_data(**options), load_data(**options, label_noise=fraction)
    changed = [name for name in plain.sha256 if noisy.sha256[name] != plain.sha256[name]]
    assert (changed, noisy.y_train.dtype) == (["y_train", "y_val"], np.int64)
    assert set(labels_of(noisy)) == set(range(10))
    for name, count in (("y_train", 2000), ("y_val", 1000)):
        num_changed = int((getattr(noisy, name) != getattr(plain, name)).sum())
        # One of ten redrawn labels is drawn as it was. 5 standard deviations: once in 10**6.
        p = fraction * 9 / 10
        assert abs(num_changed - count * p) < 5 * (count * p * (1 - p)) ** 0.5


def test_a_sample_has_the_same_noisy_label_in_a_split_of_any_size(numbered):
    def labels(**sizes):
        data = load_data(numbered, **sizes, seed=6, label_noise=0.7)
        return dict(zip(numbers(data.x_train) + numbers(data.x_val), labels_of(data), strict=True))

    assert labels(train=3, val=2).items() <= labels(train=10, val=2).items()


def test_a_leak_puts_validation_samples_in_the_place_of_training_samples(numbered):
    plain = load_data(numbered, train=7, val=5, seed=3)
    leaked = load_data(numbered, train=7, val=5, seed=3, leakage=0.6)
    others = ("x_val", "y_val", "x_test", "y_test")
    assert [leaked.sha256[name] for name in others] == [plain.sha256[name] for name in others]
    before, after = numbers(plain.x_train), numbers(leaked.x_train)
    assert leaked.y_train.tolist() == [number % 3 for number in after]
    # 0.6 × 5 = 3 samples; the others stand where they stood.
    copied = sum(number in numbers(plain.x_val) for number in after)
    stayed = sum(a == b for a, b in zip(after, before, strict=True))
    assert (copied, stayed, len(set(after))) == (3, 4, 7)


def test_copies_bear_the_noisy_labels_of_their_originals():
    options = {"train": 400, "val": 300, "test": 5, "seed": 2}
    leaked = load_data(**options, label_noise=0.8, leakage=1.0)
    label_of = {x.tobytes(): y for x, y in zip(leaked.x_val, leaked.y_val, strict=True)}
    labels = [
        (y, label_of.get(x.tobytes()))
        for x, y in zip(leaked.x_train, leaked.y_train, strict=True)
        if x.tobytes() in label_of
    ]
    assert len(labels) == len(label_of) == 300
    assert all(copy == original for copy, original in labels)
    # And those are not the labels of the source.
    assert 150 < (leaked.y_val != load_data(**options).y_val).sum() < 280


def test_noise_and_leaks_follow_from_the_seed(numbered):
    """In the split `last` the seed draws nothing else."""
    sizes = {"train": 7, "val": 4, "split": "last"}
    for settings, changed in (({"label_noise": 0.5}, "y_train"), ({"leakage": 0.5}, "x_train")):
        found = [load_data(numbered, **sizes, **settings, seed=seed).sha256 for seed in range(4)]
        assert len({hashes[changed] for hashes in found}) > 1


def test_the_data_of_a_run_are_those_that_its_spec_describes(numbered):
    given = {"seed": 5, "split": "sorted", "label_noise": 0.5, "leakage": 0.25}
    spec = RunSpec(data=str(numbered), train_size=7, val_size=4, **given)
    assert run_data(spec).sha256 == load_data(numbered, train=7, val=4, **given).sha256
    whole = spec.replace(train_size=None, val_size=None, split="last", label_noise=0, leakage=0)
    assert run_data(whole).sha256 == load_data(numbered, split="last").sha256


def test_with_noise_1_labels_are_uniform_and_say_nothing_of_those_before():
    before = labels_of(load_data(**SIZES, seed=2))
    after = labels_of(load_data(**SIZES, seed=2, label_noise=1))

    def pvalue(labels):
        return stats.chi2_contingency(stats.contingency.crosstab(before, labels).count).pvalue

    assert stats.chisquare(np.bincount(after, minlength=10)).pvalue > 1e-3
    assert pvalue(after) > 1e-3
    # The check sees a dependence: a tenth of the labels left as they were.
    assert pvalue(np.where(np.arange(3000) % 10 == 0, before, after)) < 1e-6
