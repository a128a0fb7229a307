"""The networks: what each is, how its port is written, and the mistake of its faulty port.

`originals/NAME.py:build` is the Keras program, `ports/NAME.py:right` and `:wrong` are its ports.
All were written, with the causes that are expected of the mistakes, by somebody who had read the
documentation for users alone. Causes from A37 on, and D20, are younger: they say what is wrong
where only its place had been told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.foreign.case import RIGHT, Case, in_files

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Network:
    """One network.

    Attributes:
        name: of its two files.
        kind: its family.
        port: "by hand" or "twin".
        mistake: what is wrong in the faulty port.
        causes: IDs of which one has to be among the causes.
    """

    name: str
    kind: str
    port: str
    mistake: str
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """One more mistake in a port of a network.

    Attributes:
        network: its name.
        port: function of `ports/NETWORK.py`.
        mistake: what is wrong.
        causes: IDs of which one has to be among the causes, foreseen before the first check.
    """

    network: str
    port: str
    mistake: str
    causes: tuple[str, ...]


NETWORKS = (
    Network(
        "imdb_bilstm", "text", "by hand",
        "the last step of a bidirectional LSTM is taken in the place of both last states",
        ("A25",),
    ),
    Network(
        "switch_transformer", "text", "by hand",
        "the loss that a router adds is left out",
        ("C9",),
    ),
    Network(
        "fnet_encoder", "text", "twin",
        "the Fourier transform goes over the features alone",
        ("N2", "N1", "A38"),
    ),
    Network(
        "ner_transformer", "text", "by hand",
        "the loss is divided by all steps, the padding included",
        ("D12", "D19"),
    ),
    Network(
        "addition_rnn", "text", "by hand",
        "the decoder begins with the encoder's states",
        ("R1",),
    ),
    Network(
        "lstm_seq2seq", "text", "twin",
        "RMSprop of torch",
        ("F4",),
    ),
    Network(
        "eng_spa_transformer", "text", "by hand",
        "the decoder sees padded words of the source",
        ("A35", "A64"),
    ),
    Network(
        "mini_gpt", "text", "by hand",
        "the causal mask forbids the diagonal",
        ("A35",),
    ),
    Network(
        "masked_language_model", "text", "by hand",
        "the weighted loss is divided by the sum of the weights",
        ("D18",),
    ),
    Network(
        "fcn_classifier", "time series", "by hand",
        "ReduceLROnPlateau of torch",
        ("G1", "G3"),
    ),
    Network(
        "timeseries_transformer", "time series", "twin",
        "the rate of a dropout",
        ("C6",),
    ),
    Network(
        "anomaly_autoencoder", "time series", "by hand",
        "symmetric padding of strided convolutions",
        ("A5",),
    ),
    Network(
        "traffic_forecasting", "time series", "by hand",
        "neighbours are added up in the place of their mean",
        ("N1", "N2"),
    ),
    Network(
        "vae", "generative", "twin",
        "exp(log variance) scales the noise, without the half",
        ("N2", "N1", "A39"),
    ),
    Network(
        "pixelcnn", "generative", "twin",
        "the first masked convolution sees the pixel in the middle",
        ("N2", "N1", "A43"),
    ),
    Network(
        "real_nvp", "generative", "by hand",
        "weight decay in the place of a penalty",
        ("C9",),
    ),
    Network(
        "ddim_unet", "generative", "twin",
        "cosines come before sines",
        ("N2", "N1", "A41"),
    ),
    Network(
        "gaugan_spade", "generative", "by hand",
        "statistics of each image in the place of those of the batch",
        ("N1", "N2", "A38"),
    ),
    Network(
        "dqn_atari", "reinforcement", "twin",
        "gradients are clipped together",
        ("E1",),
    ),
    Network(
        "ppo_cartpole", "reinforcement", "by hand",
        "the minimum of the clipped and the unclipped term is missing",
        ("D13", "D20"),
    ),
    Network(
        "ddpg_critic", "reinforcement", "by hand",
        "(N,) is broadcast against (N, 1) in the loss",
        ("D9",),
    ),
    Network(
        "graph_attention", "graph", "by hand",
        "attention is normalised over the other end of the edges",
        ("N1", "N2", "A21"),
    ),
    Network(
        "speaker_recognition", "audio", "by hand",
        "the relu comes before the shortcut is added",
        ("A22", "N1", "A37"),
    ),
    Network(
        "mel_keywords", "audio", "by hand",
        "magnitudes in the place of powers",
        ("N1", "N2", "A44"),
    ),
    Network(
        "wide_deep_cross", "tabular", "twin",
        "ten times the learning rate",
        ("F6",),
    ),
    Network(
        "gated_residual_vsn", "tabular", "by hand",
        "value and gate of a gated linear unit are exchanged",
        ("N1", "N2", "A16", "A22"),
    ),
    Network(
        "collaborative_filtering", "tabular", "by hand",
        "the penalty of the embeddings is missing",
        ("C9",),
    ),
    Network(
        "feature_space", "tabular", "by hand",
        "a number is divided by the variance, not by its root",
        ("N1", "N2", "A27", "A13", "A44"),
    ),
    Network(
        "neural_decision_forest", "tabular", "by hand",
        "the softmax of the leaves goes over the leaves",
        ("A21", "N1"),
    ),
    Network(
        "quasi_svm", "tabular", "twin",
        "a multi-class margin loss of torch",
        ("D13", "D12"),
    ),
)  # fmt: skip

# Written later, with knowledge of the causes; the names were foreseen, and nothing changed before
# the first check.
MORE = (
    Fault(
        "gated_residual_vsn", "wrong_shortcut",
        "the shortcut is added behind the normalisation",
        ("A37", "A39"),
    ),
    Fault(
        "gated_residual_vsn", "wrong_choice",
        "the variables are chosen by a softmax over the batch",
        ("A21",),
    ),
    Fault(
        "gaugan_spade", "wrong_scale",
        "the scale is 1 + gamma",
        ("A39",),
    ),
    Fault(
        "gaugan_spade", "wrong_roles",
        "gamma and beta have each other's place",
        ("A22",),
    ),
    Fault(
        "quasi_svm", "wrong_factor",
        "the factor of random features is missing",
        ("A27",),
    ),
    Fault(
        "quasi_svm", "wrong_function",
        "sines in the place of cosines",
        ("A39", "A16"),
    ),
    Fault(
        "mel_keywords", "wrong_logarithm",
        "natural logarithms in the place of decibels",
        ("A44",),
    ),
    Fault(
        "mel_keywords", "wrong_window",
        "the window is symmetric",
        ("A44",),
    ),
    Fault(
        "fnet_encoder", "wrong_order",
        "the sum comes behind the normalisation",
        ("A37", "A39"),
    ),
    Fault(
        "fnet_encoder", "wrong_part",
        "the size of the transform in the place of its real part",
        ("A39",),
    ),
    Fault(
        "neural_decision_forest", "wrong_sum",
        "the trees are added up",
        ("A27",),
    ),
    Fault(
        "neural_decision_forest", "wrong_branches",
        "the branches of each node are exchanged",
        ("A39", "A41"),
    ),
)  # fmt: skip


def cases(work: Path) -> Iterator[Case]:
    """Yields the ports, network by network; twelve of the mistakes came later."""
    for network in NETWORKS:
        yield in_files(FOLDER, network.name, RIGHT)
        yield in_files(
            FOLDER, network.name, "wrong", mistake=network.mistake, causes=network.causes
        )
        for one in MORE:
            if one.network == network.name:
                yield in_files(
                    FOLDER, network.name, one.port, mistake=one.mistake, causes=one.causes
                )
