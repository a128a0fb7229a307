"""The names of the registry: ID -> slug, in the order of the registry.

It imports nothing, since the shell waits for it when it completes a name.
"""

from __future__ import annotations

_TABLE = """
H7 image-scaling  H12 channel-order  H13 reshaped-images
A1 kernel-axes  A2 dense-not-transposed  A3 flatten-order  A10 norm-weight-order
A14c gate-order  A14b gru-reset-before  A11 bias-in-one-half  A16 other-activation
A31 norm-scale  A30 shared-layer
A17 missing-layer  A32 loaded-weight  A15 weight-shape
B2 random-bias  B1 torch-default-init  B3 untruncated-normal  B9 initial-constant
B8 initial-distribution
A67 last-real-step  A64 missing-mask  A65 other-mask  A66 added-mask
A5 symmetric-same-padding  A24 ceil-mode  A7 max-pool-padding  A8 average-pool-padding
A9 transposed-conv-crop  A18 window-placement
C1 batch-norm-epsilon  C2 batch-norm-momentum  C3 unbiased-variance  C4 frozen-norm
C5 batch-of-one  C17 joined-batches
A13 layer-constant  A29 inner-activation  A20 gelu-approximation  A21 softmax-axis
R1 first-states  R2 wrong-state  R3 walked-otherwise  R4 merge-mode  R7 forgotten-states
R8 cell-formula  R5 masks-of-steps  R6 steps-not-dropped
A34 attention-scale  A35 attention-mask  A36 head-order
K1 augmented-in-eval  K2 flip-direction  K3 rotation-range  K4 zoom-range  K5 shift-range
K6 image-filling  K7 pixel-range  K8 augmented-elsewhere  K9 missing-augmentation
K10 image-settings
C16 moved-dropout  C6 dropout-rate  C15 spatial-dropout  C7 dropout-mode  C14 upsampling
A25 last-step  A26 reshaped-axes  A27 scaled-value
A37 operation-order  A38 operation-axes
A40 sum-for-mean  A41 entries-order  A42 shifted-steps  A45 cut-values  A43 other-kernel
A44 feature-settings
A33 swapped-outputs  A22 other-wiring  A39 other-formula
A23 pool-kind  N1 between-layers  N2 other-layer-output
D1 activated-twice  D2 clipped-probabilities  C9 missing-penalty  C8 other-penalty
D19 masked-loss
D4 label-smoothing  D5 class-weights  D18 sample-weights  D9 loss-broadcast
D12 loss-reduction  D14 loss-threshold
I7 output-losses  D21 loss-of-samples  D15 loss-raises  D16 other-target  D17 logarithm-missing
D20 limited-samples  D13 other-loss
E9 gradient-cut  E6 untrained-weight  E3 scaled-gradient  E7 other-gradient
S13 average-of-weights  S2 number-of-steps  S3 moved-weights  S1 other-mode  S4 multiplied-gradients
S6 multiplied-number  S5 kept-gradients  S9 other-network-input
S10 loss-of-same-outputs  S11 gradients-of-losses  S12 other-network-output
S8 other-draws  S7 other-step
F6 learning-rate  F15 missing-parameters  A14 two-recurrent-biases
F2 adam-epsilon-placement  F1 adam-epsilon  F4 rmsprop-formula  F5 momentum-at-rate-change
F8 adagrad-constants  C11 weight-decay-kind  F9 weight-decay-factor
E1 clipping-together  E10 clipping-of-parts  E2 global-norm-epsilon  E8 other-clipping
F16 missing-constraint  F14 optimizer-constant  F13 other-optimizer
G12 missing-schedule  G10 schedule-per-epoch  G1 cut-one-epoch-late  G2 cooldown
G3 improvement-threshold  G4 cut-factor  G6 watched-metric  G8 stopping-epoch
G9 schedule-offset  G14 staircase  G15 schedule-constant  G13 other-schedule
G17 late-stair  G16 restored-epoch
H15 rotated-back  H16 shifted-elsewhere  H17 other-augmentation  H18 augmentation-range
H14 dropped-batch  I6 metric-name  I8 padding-counted  I1 other-metric  I2 batch-means
I3 weighted-validation  I5 other-validation  I4 changed-midway
"""
SLUGS: dict[str, str] = dict(zip(_TABLE.split()[::2], _TABLE.split()[1::2], strict=True))
# What torch's own parts do unless a port says otherwise: initial weights, constants and the
# variance of BatchNormalization, and where optimizers have their epsilon. Such differences are
# common and seldom what harms a training most.
OF_DEFAULTS = frozenset(("B1", "B2", "C1", "C2", "C3", "F1", "F2", "F4", "F5", "F8"))


def id_of(name: str) -> str | None:
    """Returns the ID that a name means: an ID or a slug, in any case; None if it is neither."""
    wanted = name.lower()
    return next((key for key, slug in SLUGS.items() if wanted in (key.lower(), slug)), None)


def nearest(name: str) -> list[str]:
    """Returns the IDs, at most four, that are written almost as a name, or whose slugs are."""
    import difflib

    known = {key.lower(): key for key in SLUGS} | {slug: key for key, slug in SLUGS.items()}
    found = difflib.get_close_matches(name.lower()[:80], known, n=4, cutoff=0.5)
    return list(dict.fromkeys(known[each] for each in found))


def full_name(name: str) -> str:
    """Returns an ID with its slug: "F2 adam-epsilon-placement"."""
    return f"{name} {SLUGS[name]}" if name in SLUGS else name


def module_text(name: str, kind: str = "") -> str:
    """Returns a module of the port in words: "module `0.1` (BatchNorm2d)".

    A path alone may look like a number. The call of a function, "relu()#2", stays as it is.

    Args:
        name: path of the module, or name of the call.
        kind: its class, if it is known.
    """
    if "()" in name:
        return name
    return f"module `{name}`" + (f" ({kind})" if kind else "")


def modules_text(names: list[str]) -> str:
    """Returns modules of the port in words: "modules `0.1`, `0.4`"; see `module_text`."""
    if len(names) < 2:
        return module_text(names[0]) if names else ""
    quoted = [name if "()" in name else f"`{name}`" for name in names]
    return ("modules " if any("`" in each for each in quoted) else "") + ", ".join(quoted)
