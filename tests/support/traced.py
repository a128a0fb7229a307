"""What Keras computes in many small operations, as one call of TensorFlow with the same bits."""

import functools

import tensorflow as tf

OPTION = "disable_meta_optimizer"


def as_one_call(function):
    """Traces a function: a call then takes as long as few operations, and not as all of them.

    The graph stays as it is traced. TensorFlow would rewrite it otherwise, and a product and a sum
    in one are rounded once, unlike those of the function itself.

    Args:
        function: of tensors, or of nothing.

    Returns:
        A function with the same results, bit for bit.
    """
    traced = tf.function(function)

    @functools.wraps(function)
    def called(*arguments):
        before = tf.config.optimizer.get_experimental_options().get(OPTION, False)
        tf.config.optimizer.set_experimental_options({OPTION: True})
        try:
            return traced(*arguments)
        finally:
            tf.config.optimizer.set_experimental_options({OPTION: before})

    return called
