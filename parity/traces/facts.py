"""Facts: what the Keras half says of a model and of its training, beside the arrays of its trace.

They are JSON, and pass between processes and in bundles. `parity.traces.bundle_facts` and
`parity.traces.bundle_run_facts` check those of a stranger by these types, and what types cannot
say. A bare `float` may be NaN or infinite. Shapes of a weight and of an output have no axis of
samples. What older bundles lack is not required.
"""

import math
import sys
from typing import Annotated, Any, Literal, NotRequired, TypedDict, TypeVar

from parity.files.ranges import AtLeast0, AtLeast1, Rule, length

MAX_STEPS = 2**31  # of a training
MAX_METRIC_BATCHES = 100

Config = dict[str, Any]
Name = Annotated[str, length(1, 500)]  # a part of the key of an array
Label = Annotated[str, Rule(str.isdecimal, "an integer", {"pattern": r"^-?\d{1,18}\Z"})]
Noise = Annotated[
    float, Rule(lambda value: value >= 0, "0 or more", {"ge": 0, "le": sys.float_info.max})
]
Real = Annotated[
    float, Rule(math.isfinite, "a number", {"ge": -sys.float_info.max, "le": sys.float_info.max})
]
Steps = Annotated[
    int, Rule(lambda value: 1 <= value < MAX_STEPS, "1 or more", {"ge": 1, "lt": MAX_STEPS})
]
_Drawn = Annotated[
    int, Rule(lambda value: 0 <= value < 2**63, "0 or more", {"ge": 0, "le": 2**63 - 1})
]
State = Annotated[list[_Drawn], length(2, 2)]  # seed of a generator, and how many masks it drew

T = TypeVar("T")


def known(fact: T | None) -> T:
    """Returns a fact that a program has where it is asked for, such as its loss."""
    assert fact is not None
    return fact


# "class" is no name of Python.
Optimizer = TypedDict("Optimizer", {"class": str, "config": Config})


class Input(TypedDict):
    """An input of the model; `tokens`: how many there are, None for real numbers."""

    name: str
    shape: list[int | None]
    tokens: int | None
    kind: NotRequired[str]


class Node(TypedDict):
    """A call of a layer, in the order of calls; `sources`: numbers of the nodes that it reads."""

    name: Name
    kind: str
    config: Config
    input_shapes: list[list[int]]
    output_shape: list[int]
    sources: list[Annotated[int, Rule(lambda value: value >= -1, "-1 or more", {"ge": -1})] | None]
    weights: list[str]


class Weight(TypedDict):
    """A weight, in the portable layout."""

    shape: list[int]
    trainable: bool


class OutputLoss(TypedDict):
    """The loss of one of several outputs, and how much it counts."""

    name: str
    config: Config
    weight: Real


class Loss(TypedDict):
    """What `compile` was given."""

    name: str
    config: Config
    class_weight: dict[Label, float] | None
    outputs: NotRequired[dict[str, OutputLoss] | None]
    targets: NotRequired[dict[str, str]]  # kind of targets, by output
    sample_weight: NotRequired[bool]  # whether samples have weights of their own
    target_axes: NotRequired[dict[str, int]]  # number of those of what `fit` gets, by output


class Output(TypedDict):
    """One of several outputs; `activation`: Keras's name of it, None without one."""

    name: Name
    shape: list[int]
    activation: str | None


class Schedule(TypedDict):
    """The schedule of the rate; `kind`: its class, None for a constant."""

    kind: str | None
    config: NotRequired[Config]
    callbacks: list[Config]
    not_compared: NotRequired[list[str]]
    exact_known: NotRequired[bool]


class Metrics(TypedDict):
    """Metrics by their names or configs; of several outputs a list each, by its name."""

    metrics: list[str | Config] | Config
    weighted_metrics: list[str | Config] | Config


class MetricProbe(TypedDict):
    """What metrics were fed: batches of `sizes` samples, weighted by class, by sample, or not."""

    names: list[Name]
    float32: list[str]
    sizes: NotRequired[Annotated[list[AtLeast1], length(1, MAX_METRIC_BATCHES)]]
    weights: NotRequired[Literal["class", "sample"] | None]
    why: NotRequired[str]  # they could not be computed


class Notice(TypedDict):
    """What is not compared, and why."""

    what: str
    why: str


class NotCompared(Notice):
    """What the ladder leaves out, with the beginnings of the keys of its arrays."""

    arrays: list[str]


class Incomplete(Notice):
    """What could not be probed, and keeps the verdict open."""

    do: str
    layer: NotRequired[str]  # that draws; a port may be given what it drew


class OwnCode(TypedDict):
    """What a port is written of where the user wrote the part: by its name, and what is unknown."""

    layers: Config
    functions: Config
    losses: Config
    schedules: Config
    rules: Config
    problems: list[str]
    refused: list[str]
    inlined: Config


class Described(TypedDict):
    """The whole model as its config, or why there is none, and what else a port is written of."""

    model: Config | None
    problem: str
    fit: Config
    draws: list[list[str | int]]
    shared: list[str]
    stubbed: list[Config]
    own_steps: list[str]


class Facts(TypedDict):
    """What the probes of a model say.

    arrays are named by their keys, weights by their names. `noise`, `float32_noise`, `constants`,
    `loss_noise`: how far an array moves if what goes in is perturbed in its last places, if it is
    computed in float32, and if constants are rounded.
    """

    nodes: Annotated[list[Node], length(1)]
    inputs: list[Input]
    output_shape: list[int]
    weights: dict[Name, Weight]
    initializers: dict[str, Config]
    loss: Loss | None
    optimizer: Optimizer | None
    output_activation: NotRequired[str | None]  # with a loss
    num_parameters: int
    noise: dict[str, Noise]
    schedule: Schedule
    not_compared: NotRequired[list[NotCompared]]
    incomplete: NotRequired[list[Incomplete]]
    cast_to_float64: NotRequired[list[str]]
    float32_inside: NotRequired[list[str]]
    float32_noise: NotRequired[dict[str, Noise]]
    undecayed: NotRequired[list[str]]
    trained_steps: NotRequired[int]
    model_file: NotRequired[str]
    replayable: NotRequired[dict[str, float]]
    dtype: NotRequired[Literal["float32", "float64"]]
    batch_of_one: NotRequired[bool]
    own_steps: NotRequired[list[str]]
    own_loss: NotRequired[bool]
    stateful: NotRequired[list[str]]
    loss_noise: NotRequired[list[Noise]]
    constants: NotRequired[dict[str, Noise]]
    outputs: NotRequired[list[Output]]
    metrics: NotRequired[Metrics]
    metric_probe: NotRequired[MetricProbe]
    added_losses: NotRequired[list[str]]
    confident: NotRequired[bool]
    activated: NotRequired[list[str]]
    own: NotRequired[OwnCode]
    program: NotRequired[Described]
    input_structure: NotRequired[Any]


class Fit(TypedDict):
    """The arguments of `fit`, with Keras's names; `num_samples`: None if they were not counted."""

    batch_size: Steps | None
    epochs: Steps
    initial_epoch: AtLeast0
    steps_per_epoch: Steps | None
    validation_split: float | None
    validation_steps: Steps | None
    validation_batch_size: Steps | None
    validation_freq: AtLeast1 | list[AtLeast1]
    class_weight: dict[Label, float] | None
    shuffle: bool | str
    num_samples: int | None
    has_anchors: bool


class RunProbe(TypedDict):
    """What the probes of a whole run say beside `Facts`."""

    fit: Fit
    masks: dict[str, State]  # by the name of the layer
    metrics: Metrics
    loss_weights: dict[str, float]


class TrainingFacts(TypedDict):
    """What a training says.

    `epoch_ends`: number of steps after each epoch. `anchors`: steps before which the state was
    recorded; `anchors_measured` and `anchors_with_constants`: those from which rounding and
    constants were measured. `ends_as`: what the final weights are, see
    `parity.traces.anchors.ends_as`.
    """

    first_losses: dict[str, float]
    epoch_ends: Annotated[list[Steps], length(1)]
    ends_as: NotRequired[str]
    has_schedule: bool
    written_flows: dict[str, str]
    num_train: int | None
    num_val: int | None
    num_fits: int
    broke_off: str | None
    fit: Fit
    loss_weights: dict[str, float]
    anchors: NotRequired[Annotated[list[AtLeast0], length(1)]]
    anchors_measured: NotRequired[Annotated[list[int], length(1)]]
    anchors_with_constants: NotRequired[Annotated[list[int], length(1)]]
    augment: NotRequired[Config]
    num_classes: NotRequired[int]


class StepData(TypedDict):
    """Names of the inputs of a step of the user's own, and structures of inputs and targets."""

    names: list[str]
    structure: Any
    targets: Any


class CustomSteps(TypedDict):
    """What a `train_step` of the user's own does: its logs, and the calls that it makes."""

    logs: list[str]
    applied: list[Config]
    masks: list[str]
    num_drawn: int
    called: list[str]
    dropped: list[int]
    data: StepData
    as_built: NotRequired[
        dict[str, bool]
    ]  # whether steps move a weight that a port may hold as it likes
    parts: NotRequired[dict[str, Config]]


class WatchedRule(TypedDict):
    """What a callback of a training watched: a column of the history, and from which epoch on."""

    monitor: str
    is_max: bool
    min_delta: float
    start: int


class KerasFacts(Facts, TrainingFacts):
    """What a trace of the Keras half may say: that of probes `Facts`, that of a training the rest.

    `brief`: only what the first layer gets was recorded, and the output.
    """

    masks: NotRequired[dict[str, State]]
    own_training: NotRequired[CustomSteps]
    brief: NotRequired[bool]
    augmented_from: NotRequired[dict[str, list[float]]]
    watched: NotRequired[list[WatchedRule]]
    phantom_steps: NotRequired[Config]


class Feed(TypedDict):
    """What `fit` was fed: forms of the nests of arrays, and settings of what is no array."""

    forms: Config
    settings: Config


class Drawing(TypedDict):
    """How a flow draws its samples."""

    batch_size: AtLeast1
    shuffle: bool
    seed: int | None


class Arguments(TypedDict):
    """Arguments of an ImageDataGenerator that the port is given."""

    fill_mode: str
    cval: Real
    interpolation_order: int
    rescale: Real | None
    featurewise_center: bool
    featurewise_std_normalization: bool


class Flow(TypedDict):
    """A flow of an ImageDataGenerator."""

    dtype: Literal["float32", "float64"]
    arguments: Arguments
    flow: Drawing


class PhantomStep(TypedDict):
    """A step for which there was no batch: how many, and what it moved."""

    count: AtLeast1
    masks: dict[str, State]
    others: dict[str, Real]
    factors: dict[str, Real | None]


class FeedSettings(TypedDict):
    """What else the port needs; `val_ends`: number of batches after each validation."""

    epoch_ends: list[int]
    val_ends: list[int]
    flows: dict[str, Flow]
    phantom_steps: dict[str, PhantomStep]  # by the number of the epoch


class Planned(TypedDict):
    """Steps before which a state is recorded, is measured, and is validated."""

    steps: list[int]
    measured: list[int]
    validated: list[int]


class Anchors(TypedDict):
    """Recorded states: the plan, and the form of the batches of each, by its step."""

    plan: Planned
    batches: Config


class Content(TypedDict):
    """The file bundle.json."""

    spec: Config
    environment: Config
    facts: Config
    arrays: Config
    arrays_sha256: str


class RunContent(TypedDict):
    """The file run.json."""

    spec: Config
    environment: Config
    facts: Config
    arrays: Config
    arrays_sha256: str
    history: Config
    files: dict[str, str]
    feed: Config
    wall_s: Noise
