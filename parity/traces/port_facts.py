"""Facts of a port: what the torch half says of it, and of its training, beside its arrays."""

from typing import Any, Literal, NotRequired, TypedDict

from parity.traces.facts import Config, Incomplete, Notice


class PortNode(TypedDict):
    """A call of a module or of a function of the port.

    `input_forms`: shapes of each input, as it is and with channels last. `sources`: numbers of the
    calls that it reads; `origins`: the same, but traced back through functions that are not
    watched. `module`: name of the class.
    """

    name: str
    kind: str
    module: str | None
    where: str
    weights: dict[str, list[int]]
    input_forms: list[list[list[int]]]
    output_shapes: list[list[int]]
    sources: list[int | None]
    origins: list[int | None]
    rate: float | None
    is_active: bool


class Carried(TypedDict):
    """A weight of Keras's that the port has, in the portable layout."""

    shape: list[int]


class Given(TypedDict):
    """What the factory gives beside the module."""

    loss: bool
    optimizer: bool
    scheduler: bool
    early_stopping: bool
    load: bool
    train_step: bool
    train_epoch: NotRequired[bool]


# "class" is no name of Python. `base`: torch's class that it is derived from, or "".
PortOptimizer = TypedDict(
    "PortOptimizer", {"class": str, "groups": list[Config], "base": str, "schedule": bool}
)


class ImageChange(TypedDict):
    """How a place of the port changes images: in train mode, in eval mode, alike in a batch.

    `given`: the least and the greatest pixel that the first random transform got.
    """

    is_on: bool
    in_eval: bool
    by_batch: bool
    given: list[float] | None


class FixPlace(TypedDict):
    """Where a fix was tried; `item`: "forward", a weight, or the level."""

    level: str
    layer: str
    item: str


class TriedFix(FixPlace):
    """A fix: its text, the change in plain values, and all items that it ends."""

    text: Any
    change: Any
    ends: list[str]
    tried: bool


class Said(TypedDict):
    """A change of Keras's step that gives the port's: ID of the divergence, and what it does."""

    id: str
    text: str


class PortSteps(TypedDict):
    """What a step of the port's own does."""

    logs: list[str]
    applied: list[Any]
    num_dropped: int
    parts: list[str]
    called: list[str]
    dropped: list[int]
    num_replaced: int
    num_drawn: int


class LeftOver(TypedDict):
    """Layers of Keras and calls of the port without a partner, and what that leaves open.

    `not_held`: weights that the port may hold as it likes.
    """

    by_hand: list[str]
    not_held: list[str]
    keras_left: list[str]
    torch_left: list[str]
    incomplete: list[Incomplete]
    not_compared: list[Notice]


class PortFacts(LeftOver):
    """What the probes of a port say, and what its training says.

    `raised`: the error of a stage, by its name. `pairs`: layer of Keras and call of the port.
    `ends`: first and last layer of Keras that a pair spans.
    """

    raised: dict[str, str]
    nodes: list[PortNode]
    pairs: list[tuple[str, str]]
    ends: dict[str, list[str]]
    replayed: list[str]
    dropped_axes: dict[str, Any]
    inner_dropouts: dict[str, float]
    problems: list[Any]
    fed: str
    weights: dict[str, Carried]
    not_carried: list[str]
    spread: dict[str, Any]  # parts of a weight; of a training, how far two runs are apart
    num_parameters: int
    settings: dict[str, Config]
    given: Given
    optimizer: PortOptimizer | None
    clips: bool
    schedulers: list[Config]
    scheduler_interval: str
    steps_per_epoch: int
    early_stopping: Config | None
    loss: Config | None
    goes_on: NotRequired[bool]
    active_dropouts: dict[str, list[str]]
    output_form: str
    no_loss: NotRequired[str]
    broadcast: NotRequired[list[list[int]]]
    augmentation: NotRequired[dict[str, ImageChange]]
    awaited: list[str]
    style: list[str]
    targets: dict[str, dict[str, str]]
    unshaped: list[str]
    metric_names: NotRequired[dict[str, str]]
    metric_trials: NotRequired[dict[str, Any]]
    fixes: list[TriedFix]
    no_fixes: list[FixPlace]
    ended: NotRequired[dict[str, list[str]]]
    # What gives the numbers of the optimizer together: nothing but rates, if it is empty.
    optimizer_changes: NotRequired[list[Said]]
    own_training: NotRequired[PortSteps]
    # Of a training.
    mode: Literal["seeded", "replayed"]
    first_losses: dict[str, float]
    epoch_ends: list[int]
    has_own_loop: bool
    loop_sets_rates: NotRequired[bool]  # and no scheduler that the port gives
    ends_as: NotRequired[str]
    changed_between: NotRequired[str]  # what has first changed between two steps
    explained_steps: NotRequired[dict[str, Said]]  # those that are not Keras's
    loop_is_plain: NotRequired[bool]  # makes what steps without a loop make
    left_open: NotRequired[float]
    augment: NotRequired[Config]
    augment_explained: NotRequired[Config | None]
    metrics_left_out: NotRequired[dict[str, str]]
