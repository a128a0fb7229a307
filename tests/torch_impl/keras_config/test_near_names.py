"""The message of a name that is not known has those that are near, and where the others are."""

import pytest

from torch_impl.keras_config.builders import BUILDERS
from torch_impl.keras_config.near_names import expected_one_of
from torch_impl.keras_config.operations import OPERATIONS

HERE = "things in a file"


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("ArgMax", OPERATIONS, ["Argmax"]),
        ("Conv2DTransposed", BUILDERS, ["Conv2DTranspose"]),
        ("MyDense", BUILDERS, ["Dense"]),
    ],
)
def test_near_names_are_told(name, known, near):
    told = expected_one_of(name, known, HERE)
    assert told.startswith(f"expected one of the {HERE}, such as '{near[0]}'")
    assert told.count("'") <= 6


def test_without_a_near_name_it_says_where_all_are():
    assert expected_one_of("Qwxyz", OPERATIONS, HERE) == f"expected one of the {HERE}"


def test_a_class_of_the_users_with_keras_name_is_not_told_that_name():
    assert "'Dense'" not in expected_one_of("Dense", BUILDERS, HERE)


def test_few_names_are_all_told():
    assert expected_one_of("a", {"c", "b"}, HERE) == "expected one of ['b', 'c']"
