"""A sample of the corpus, drawn over all families: right ports pass, wrong ones are named."""

import pytest

from benchmarks.accuracy.corpus import checked, line, selected, words

pytestmark = pytest.mark.usefixtures("warm_halves")

# Of the training of a check, which makes twice as many by itself: a batch of each size, full, less,
# and one sample; and the learning rate is cut before the third.
FEW_STEPS = 3

QUICK = (
    *("pairs/adam/adam", "pairs/adam/adam_stock", "pairs/softmax/softmax_twice"),
    *("pairs/plateau/plateau_torch", "pairs/plateau/plateau_patience"),
    *("metrics/classes/classes_functions", "losses/weighted/sample_weights_normalised"),
    *("fresh/masks_bag/bag_mean", "fresh/masks_bag/bag_padding_in_mean"),
)
LONG = (
    *("pairs/mse_one/broadcast", "pairs/softmax/softmax_log", "pairs/batch_norm/norm_unbiased"),
    *("metrics/classes/batch_means", "losses/weighted/weighted"),
    *("held_out/layers_gelu_tanh/right", "held_out/layers_gelu_tanh/wrong"),
    *("idioms/a_swish_function/right", "idioms/a_swish_function/wrong"),
    *("pairs/conv_same_stride_2/conv_same_stride_2", "pairs/conv_same_stride_2/same_symmetric"),
    *("pairs/flatten/flatten_view", "pairs/flatten/flatten_not_permuted"),
    *("pairs/dropout/dropout_functional", "pairs/dropout/dropout_inverted"),
    *("pairs/conv_valid/fed_bgr", "pairs/conv_valid/conv_kaiming", "pairs/residual/residual_twin"),
    *("attention/encoder/encoder_module", "attention/encoder/scale_of_model"),
    *("attention/dropped/dropped_timm", "attention/dropped/drop_path_rate"),
    *("losses/heads/heads", "losses/heads/weights_exchanged", "losses/autoencoder/autoencoder"),
    *("metrics/yes_or_no/yes_or_no_none", "metrics/yes_or_no/threshold"),
    *("random_images/lit/lit_library_behind", "random_images/lit/lit_behind"),
    *("random_images/turned_on_black/turned_on_black_each", "random_images/piped/piped_in_eval"),
    "held_out/layers_spatial_dropout_by_value/wrong",
    *("held_out/training_plateau_relative/right", "held_out/training_plateau_relative/wrong"),
    *("idioms/t_gru_forecast/right", "idioms/t_gru_forecast/wrong"),
    "idioms/b_batch_norm_stock/right",
    *("fresh/recurrent_summed/summed_flipped", "fresh/recurrent_summed/summed_not_flipped_back"),
    *("fresh/masks_sensor/sensor_packed", "fresh/masks_sensor/sensor_any_value_is_a_gap"),
    *("images/vit/right", "images/vit/wrong", "images/gmlp/right"),
    *("other_kinds/fnet_encoder/right", "other_kinds/fnet_encoder/wrong_part"),
    *("migrated/two_tower/right", "migrated/two_tower/wrong_3"),
    *("own_steps/vae/vae", "own_steps/vae/vae_half"),
    *("strangers/siamese/right", "strangers/multitask/right"),
    *("cubes/images/turned_by_itself", "cubes/images/sides_swapped"),
    *("coded/gathered/right", "coded/gathered/in_order"),
    *("layer_kinds/celu/right", "layer_kinds/celu/alpha"),
    *("habits/pixels/right", "habits/pixels/without_logits", "lasts/gelu/right"),
    *("norms/frames/right", "norms/frames/joined", "odd/two/scripted", "odd/truths/less"),
)
TRAINED = ("programs/text/right", "programs/text/top_three")  # whole


@pytest.mark.parametrize(
    "names", [QUICK, *(pytest.param(each, marks=pytest.mark.long) for each in (LONG, TRAINED))]
)
def test_right_ports_pass_and_wrong_ones_are_caught_and_named(names):
    """All of a sample in one test, with few frameworks started."""
    ports = selected(names)
    rows = checked(ports, {"seed": 23, "steps": FEW_STEPS, "dtype": "float64"}, workers=1)
    assert len(rows) == len(names)
    assert [
        line(case, port, row)
        for (case, port), row in zip(ports, rows, strict=True)
        if not _is_as_expected(words(port, row))
    ] == []


def _is_as_expected(counts):
    if "right" in counts:
        return "alarm" not in counts
    pairs = {"wrong": "caught", "known": "first", "foretold": "placed"}
    return all(then in counts for now, then in pairs.items() if now in counts)
