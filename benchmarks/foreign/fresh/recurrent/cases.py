"""Which model each port is of, what its mistake is, and what a reader wants to be told."""

from ..fault import Fault

RIGHT = {
    "stacked_two_layers": "stacked",
    "stacked_hidden": "stacked",
    "lstm_loaded": "lstm",
    "lstm_one_linear": "lstm",
    "gru_steps_first": "gru",
    "gru_before_loaded": "gru_before",
    "summed_halves": "summed",
    "summed_flipped": "summed",
    "product_hidden": "product",
    "backwards_flipped": "backwards",
    "rectified_relu": "rectified",
    "rectified_cell": "rectified",
    "translator_states": "translator",
    "translator_cells": "translator",
    "states_joined": "states",
    "film_by_hand": "film",
    "cells_loop": "cells",
    "cells_as_layers": "cells",
    "dropped_by_hand": "dropped",
    "dropped_input_locked": "dropped_input",
    "stateful_attribute": "stateful",
    "stateful_buffer": "stateful",
}

WRONG = {
    "stacked_not_batch_first": Fault(
        "stacked", "batch_first forgotten", "batch and steps exchanged", ("R3",)
    ),
    "stacked_hidden_of_the_first_layer": Fault(
        "stacked", "h[0] for h[-1]", "state of another layer", ("A22",)
    ),
    "stacked_cell_state": Fault("stacked", "c for h", "cell state for output", ("R2",)),
    "stacked_first_step": Fault("stacked", "the first step for the last", "another step", ("R3",)),
    "stacked_two_biases": Fault(
        "stacked", "both biases are trained", "two biases for one", ("A14",)
    ),
    "stacked_forget_bias": Fault("stacked", "forget bias begins at 0", "forget bias", ("B9",)),
    "stacked_recurrent_glorot": Fault(
        "stacked",
        "recurrent kernels not orthogonal",
        "initialiser of the recurrent kernel",
        ("B8",),
    ),
    "lstm_gate_order": Fault("lstm", "gates i, f, o, g", "order of the gates", ("A14c",)),
    "lstm_hard_sigmoid": Fault(
        "lstm", "hard sigmoid of Keras 2", "hard sigmoid for sigmoid", ("R8",)
    ),
    "lstm_no_tanh_of_the_cell": Fault("lstm", "h = o * c", "tanh missing in the cell", ("R8",)),
    "gru_before_is_after": Fault(
        "gru_before", "torch's GRU resets after", "reset_after", ("A14b",)
    ),
    "gru_before_update_exchanged": Fault(
        "gru_before", "z and 1 - z exchanged", "update gate inverted", ("R8",)
    ),
    "summed_averaged": Fault(
        "summed", "mean of the directions for their sum", "merge mode", ("R4",)
    ),
    "summed_not_flipped_back": Fault(
        "summed", "backward output is not flipped back", "backward output reversed", ("R3",)
    ),
    "summed_both_forward": Fault(
        "summed", "both directions read forward", "backward direction reads forward", ("R3",)
    ),
    "product_last_step": Fault(
        "product", "backward output of the last step", "backward: another step", ("A25",)
    ),
    "product_added": Fault("product", "sum for product", "merge mode", ("R4",)),
    "backwards_forward": Fault("backwards", "reads forward", "direction of the layer", ("R3",)),
    "backwards_flipped_back": Fault(
        "backwards", "output flipped back", "output in the other order", ("R3",)
    ),
    "rectified_tanh": Fault("rectified", "tanh for relu", "another activation", ("A29",)),
    "translator_states_not_carried": Fault(
        "translator", "the decoder begins with zeros", "initial state", ("R1",)
    ),
    "translator_states_swapped": Fault(
        "translator", "h and c exchanged", "initial state: h and c exchanged", ("R1",)
    ),
    "translator_cell_state_not_carried": Fault(
        "translator", "c begins with zeros", "initial state", ("R1",)
    ),
    "translator_first_step": Fault(
        "translator", "h of the first step", "initial state / another step", ("R1",)
    ),
    "states_exchanged": Fault(
        "states", "c before h in the concatenation", "order of the concatenation", ("R2", "A22")
    ),
    "film_hard_sigmoid": Fault(
        "film", "torch's hardsigmoid for sigmoid", "hard sigmoid for sigmoid", ("R8",)
    ),
    "film_last_image_alone": Fault(
        "film", "the last image alone is seen", "state is not carried", ("R3",)
    ),
    "cells_one_step_late": Fault(
        "cells", "the second cell is a step late", "the second cell gets another input", ("R8",)
    ),
    "cells_second_gets_c": Fault(
        "cells", "the second cell gets c", "the second cell gets another input", ("R8",)
    ),
    "dropped_no_recurrent_dropout": Fault(
        "dropped", "no recurrent dropout", "recurrent dropout missing", ("R6",)
    ),
    "dropped_one_mask_for_all_gates": Fault(
        "dropped", "one mask for all gates", "a mask for each gate", ("R5",)
    ),
    "dropped_input_each_step": Fault(
        "dropped_input", "each step has its mask", "one mask for all steps", ("R5",)
    ),
    "dropped_input_drops_output": Fault(
        "dropped_input", "the output is dropped", "dropout at another place", ("A22",)
    ),
    "stateful_forgets": Fault(
        "stateful", "the state is not kept", "state is not kept between batches", ("R7",)
    ),
    "stateful_in_training_alone": Fault(
        "stateful", "kept in training alone", "state in eval mode", ("R7",)
    ),
}
