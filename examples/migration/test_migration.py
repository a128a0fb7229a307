"""The port computes what the Keras program computes: copy this beside your own two models.

pytest examples/migration                                      both programs run
pytest examples/migration --parity-record bundles              ... and Keras's half is written down
pytest examples/migration --parity-against bundles             only the port runs: no TensorFlow
"""

import pytest

pytestmark = [pytest.mark.long, pytest.mark.parity(keras="keras_model.py:build")]


def test_the_port_trains_as_the_keras_program_does(parity_check):
    parity_check(torch="torch_model.py:build")


def test_the_naive_port_does_not_and_every_reason_is_named(parity_check, bundle):
    with pytest.raises(AssertionError, match=r"^no parity in 12 places\n  forward: conv2d_1: A5 "):
        parity_check(torch="torch_model_naive.py:build", against=bundle)


def test_a_bundle_is_as_good_as_keras_itself(parity_check, bundle):
    parity_check(torch="torch_model.py:build", against=bundle)
