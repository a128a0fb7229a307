"""A message names what is almost the given name, and where all names are."""

from torch_impl.keras_config.builders import BUILDERS
from torch_impl.losses import LOSSES
from torch_impl.torch_names import one_of


def test_names_that_are_almost_the_given_one_are_told():
    told = one_of("Mean_Squared_Eror", LOSSES, "torch_impl.losses.LOSSES")
    assert told.startswith(
        "expected one of torch_impl.losses.LOSSES, such as 'mean_squared_error' or "
    )
    assert len(told) < 160


def test_a_name_like_no_other_is_told_where_all_are():
    for name in ("quantile_of_mine", 7, None, "x" * 10_000):
        assert one_of(name, LOSSES, "LOSSES") == "expected one of LOSSES"


def test_a_class_of_the_users_with_keras_name_is_not_told_that_name():
    told = one_of("Dense", BUILDERS, "the layers")
    assert told.startswith("expected one of the layers, such as ")
    assert "'Dense'" not in told
