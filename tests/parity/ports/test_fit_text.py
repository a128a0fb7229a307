"""What README.md of a port says of batches, arguments of `fit` and steps that it has otherwise."""

from rows import each_row

from parity.ports.fit_text import (
    about_later,
    batch_size_of,
    left_out_of_training,
    rows_apart,
)

PARTS = "train.py takes the arrays of a file, which hold what it gives, and makes batches of"


def told(kind, name="", size=None, **fit):
    batches = {"kind": kind, "class": name, "batch_size": size}
    return left_out_of_training({"fit": {"batches": batches, **fit}})


def test_batches_of_the_program_are_told_with_their_size_and_order():
    assert told("PyDataset", "Windows", 12) == [
        f"the batches of Windows, a PyDataset, that `fit` gets: {PARTS} 12, as its first one; it "
        "shuffles samples, where Keras shuffles whole batches"
    ]
    assert told("DataLoader", "DataLoader", 8)[0].startswith(
        "the batches of a DataLoader that `fit`"
    )
    assert told("generator") == [
        f"the batches of a generator that `fit` gets: {PARTS} 32 by default, since the size of its "
        "batches is not known; it shuffles samples, where the generator has an order of its own"
    ]


@each_row(
    "fit, size",
    [
        ({}, 32),
        ({"batch_size": None, "batches": None}, 32),
        ({"batch_size": 4}, 4),
        ({"batches": {"batch_size": 12}}, 12),
        ({"batches": {"batch_size": None}}, 32),
    ],
)
def test_the_batch_size_is_that_of_fit_or_of_its_batches(fit, size):
    assert batch_size_of(fit) == size


def place(line, text="", **more):
    return {"file": "train.py", "line": line, "text": text, **more}


def test_later_rounds_and_calls_of_fit_are_told_with_their_places():
    later = {
        "first": place(5, "model.fit(x)"),
        "loops": [place(4, "for fold in range(3)")],
        "calls": [place(8, "model.fit(y)", changes=[]), place(9, "model.fit(z)", changes=[])],
    }
    first = "the port has the first call, in train.py, line 5"
    assert left_out_of_training({"fit": {"later": later}}) == [
        f"later rounds of the loop `for fold in range(3)` in train.py, line 4, which calls `fit`: "
        f"{first}",
        f"another call of `fit`, `model.fit(y)` in train.py, line 8: {first}",
        f"another call of `fit`, `model.fit(z)` in train.py, line 9: {first}",
    ]
    assert about_later({"later": later}) == [
        "It trains what the first call of fit does (train.py, line 5).",
        "The call stands in a loop (train.py, line 4): later rounds are not ported.",
        "The other 2 calls are not ported: train.py, line 8, train.py, line 9.",
    ]
    assert about_later({"later": None}) == about_later({}) == []


def test_rows_that_keras_moves_one_by_one_are_told_once_and_others_never():
    entries = [
        {"what": f"{what} of {name}.embeddings{how}", "why": "rounding", "arrays": []}
        for name in ("words", "tags")
        for what, how in (("training", " by repeated rows"), ("training", ""), ("gradient", ""))
    ]
    assert rows_apart({"not_compared": entries}) == [
        "the training of words.embeddings, tags.embeddings where a row of an embedding occurs "
        "several times in a batch: Keras's optimizer takes each by itself, and torch adds up their "
        "gradients before"
    ]
    for facts in ({"not_compared": entries[1:2]}, {"not_compared": None}, {}):
        assert rows_apart(facts) == []
