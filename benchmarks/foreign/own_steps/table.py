"""The right ports of `steps_torch.py`, and the wrong ones: the mistake and the cause that tells it.

The causes were written down before any port was checked. `byol_frozen`, `gan_variance`,
`vae_clip_torch` and the two `in_step` came after the first look.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.foreign.case import Case

RIGHT = (
    "cond_gan",
    "cond_gan__trainer",
    "cycle",
    "cycle__lightning",
    "vae",
    "vae__distributions",
    "diffusion",
    "diffusion__trainer",
    "byol",
    "byol__functional",
    "byol_frozen",
    "byol_frozen__in_step",
    "fgsm",
    "fgsm__functional",
    "accumulate",
)


class Wrong(NamedTuple):
    """A port with one mistake.

    Attributes:
        model: name of the Keras model, and of the factory of the port.
        arguments: of the factory, that make the mistake.
        mistake: in words.
        causes: IDs of divergences that name it.
    """

    model: str
    arguments: dict[str, Any]
    mistake: str
    causes: tuple[str, ...]


WRONG = {
    "gan_order": Wrong(
        "cond_gan", {"generator_first": True}, "generator updated first", ("S7", "S8", "S9")
    ),
    "gan_detach": Wrong(
        "cond_gan", {"detach": False}, "no detach, D's gradients kept in G", ("S5", "S11", "S7")
    ),
    "gan_sign": Wrong("cond_gan", {"sign": -1.0}, "noise of the labels subtracted", ("S10",)),
    "gan_beta": Wrong("cond_gan", {"g_beta": 0.9}, "beta_1 of G's Adam", ("F14",)),
    "gan_eval": Wrong("cond_gan", {"eval_mode": True}, "generator in eval mode", ("S1",)),
    "gan_eval_in_step": Wrong(
        "cond_gan", {"eval_in_step": True}, "generator in eval mode, by the step", ("S1",)
    ),
    "gan_one_optimizer": Wrong(
        "cond_gan", {"together": True}, "one optimizer for all", ("S3", "S2")
    ),
    "gan_variance": Wrong("cond_gan", {"variance": "torch"}, "torch's BatchNorm", ("C3",)),
    "cycle_identity": Wrong("cycle", {"identity": 1.0}, "weight of the identity loss", ("S10",)),
    "cycle_half": Wrong("cycle", {"halved": False}, "D's loss not halved", ("S6", "S4")),
    "cycle_order": Wrong(
        "cycle", {"discriminators_first": True}, "D updated before G's losses", ("S7", "S12")
    ),
    "cycle_mse": Wrong("cycle", {"cycle_loss": "mse"}, "squared cycle loss", ("S10",)),
    "cycle_label": Wrong("cycle", {"real": 0.0}, "generators fooled in the wrong way", ("S10",)),
    "vae_beta": Wrong("vae", {"weights": (4.0, 1.0)}, "beta on the reconstruction", ("S10", "S11")),
    "vae_kl_mean": Wrong("vae", {"kl_mean": True}, "KL averaged over dimensions", ("S6",)),
    "vae_clip": Wrong("vae", {"clip": "value"}, "clip by value, not norm", ("S7",)),
    "vae_clip_torch": Wrong(
        "vae", {"clip": "torch"}, "clip_grad_norm_ adds 1e-6 to the norm", ("E8",)
    ),
    "vae_half": Wrong("vae", {"half": 1.0}, "variance taken as deviation", ("S9",)),
    "vae_bce_mean": Wrong("vae", {"mean_bce": True}, "BCE averaged over pixels", ("S6", "S10")),
    "diffusion_ema": Wrong("diffusion", {"decay": 0.01}, "EMA momentum swapped", ("S7",)),
    "diffusion_mean": Wrong("diffusion", {"summed": False}, "mean for the sum", ("S4",)),
    "diffusion_draw": Wrong("diffusion", {"draw": "rand"}, "uniform noise", ("S8",)),
    "diffusion_rate": Wrong("diffusion", {"power": 1}, "noise rate not squared", ("S9",)),
    "diffusion_epsilon": Wrong("diffusion", {"epsilon": 1e-4}, "epsilon of AdamW", ("F1",)),
    "diffusion_decay": Wrong("diffusion", {"weight_decay": 1e-2}, "torch's decay", ("F9",)),
    "diffusion_buffers": Wrong(
        "diffusion", {"buffers": False}, "EMA without the statistics of BatchNorm", ("S7",)
    ),
    "byol_ema": Wrong("byol", {"tau": 0.05}, "EMA momentum swapped", ("S7",)),
    "byol_ema_first": Wrong("byol", {"ema_first": True}, "EMA before the step", ("S7",)),
    "byol_eval": Wrong("byol", {"target_eval": True}, "teacher in eval mode", ("S1",)),
    "byol_eval_in_step": Wrong(
        "byol", {"eval_in_step": True}, "teacher in eval mode, by the step", ("S1",)
    ),
    "byol_crossed": Wrong("byol", {"crossed": False}, "views not exchanged", ("S10",)),
    "byol_noise": Wrong("byol", {"noise": 0.2}, "noise scaled wrong", ("S9",)),
    "byol_predictor": Wrong(
        "byol", {"with_predictor": False}, "predictor not in the optimizer", ("S3", "F15")
    ),
    "fgsm_smoothing": Wrong("fgsm", {"smoothing": 0.0}, "no label smoothing", ("D4", "S10")),
    "fgsm_epsilon": Wrong("fgsm", {"epsilon": 0.1}, "attack twice as strong", ("S9",)),
    "fgsm_zero": Wrong("fgsm", {"zero_grad": False}, "gradients of the attack kept", ("S5", "S11")),
    "fgsm_clip": Wrong("fgsm", {"clip": "all"}, "one norm of all for one of each", ("S7", "S4")),
    "fgsm_mode": Wrong("fgsm", {"attack_train": True}, "attack in train mode", ("S1",)),
    "fgsm_weight": Wrong("fgsm", {"hard_weight": 0.5}, "weights of the losses", ("S10", "S11")),
    "accumulate_each": Wrong("accumulate", {"every": 1}, "optimizer steps every time", ("S2",)),
    "accumulate_sum": Wrong("accumulate", {"divide": False}, "not divided", ("S4",)),
    "accumulate_zero": Wrong("accumulate", {"zero_grad": False}, "zero_grad missing", ("S5",)),
}


def cases(work: Path) -> Iterator[Case]:
    """Yields the ports, model by model."""
    models = {name: name.partition("__")[0] for name in RIGHT}
    for model in dict.fromkeys(models.values()):
        right = [(name, {}) for name in RIGHT if models[name] == model]
        wrong = [
            (name, {"mistake": one.mistake, "causes": one.causes})
            for name, one in WRONG.items()
            if one.model == model
        ]
        for name, known in (*right, *wrong):
            package = "benchmarks.foreign.own_steps"
            keras, torch = f"{package}.steps_keras:{model}", f"{package}.steps_torch:{name}"
            yield Case(model, name, keras, torch, **known)
