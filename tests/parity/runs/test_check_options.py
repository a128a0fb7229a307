"""What a user allows: from the project's table and the call, and only what there is."""

import pytest

from parity.errors import InputError
from parity.runs.check_halves import allowed_by_user


@pytest.fixture
def project(tmp_path):
    (tmp_path / "parity.toml").write_text(
        "accept = ['unbiased-variance', 'c2']\n[tolerance]\nforward = 1e-9\nloss = 1e-8\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("tolerance", "accept", "expected"),
    [
        (None, None, ({"forward": 1e-9, "loss": 1e-8}, ("C3", "C2"))),
        (1e-6, None, ({"": 1e-6}, ("C3", "C2"))),
        ({"": 1e-6, "loss": 1e-5}, (), ({"": 1e-6, "loss": 1e-5}, ("C3", "C2"))),
        ({"loss": 1e-7}, ["F2"], ({"forward": 1e-9, "loss": 1e-7}, ("C3", "C2", "F2"))),
        (None, ["c3", "A14b"], ({"forward": 1e-9, "loss": 1e-8}, ("C3", "C2", "A14b"))),
        (None, "F2", ({"forward": 1e-9, "loss": 1e-8}, ("C3", "C2", "F2"))),
    ],
    ids=["table", "all", "all_and_one", "one", "again", "text"],
)
def test_a_call_replaces_tolerances_and_adds_what_it_accepts(project, tolerance, accept, expected):
    found = allowed_by_user(project, tolerance, accept)
    assert (found["tolerance"], found["accept"]) == expected


def test_without_a_table_and_a_call_nothing_is_allowed(tmp_path):
    assert allowed_by_user(tmp_path, None, None) == {"tolerance": {}, "accept": ()}


@pytest.mark.parametrize(
    ("tolerance", "accept", "message"),
    [
        (0.0, None, "tolerance is 0.0: expected a number above 0 and below 1"),
        (1.0, None, "tolerance is 1.0"),
        (-1e-6, None, "tolerance is -1e-06"),
        (float("nan"), None, "tolerance is nan"),
        (True, None, "tolerance is True"),
        ("1e-6", None, "tolerance is '1e-6'"),
        ({"lossy": 1e-6}, None, "tolerance of 'lossy': expected one of data, structure"),
        ({"loss": 2}, None, "tolerance of loss is 2: expected a number above 0 and below 1"),
        (None, ["Z9"], "accept='Z9': there is no such divergence"),
        (None, [""], "accept='': there is no such divergence"),
    ],
)
def test_what_there_is_not_is_refused(tolerance, accept, message, tmp_path):
    with pytest.raises(InputError) as caught:
        allowed_by_user(tmp_path, tolerance, accept)
    assert str(caught.value).startswith(message)
