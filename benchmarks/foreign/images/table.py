"""What the networks are, and the mistake of each wrong port."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.foreign.case import RIGHT, Case, in_files

FOLDER = Path(__file__).parent


class Network(NamedTuple):
    """A network with two ports.

    Attributes:
        name: of the files in `originals` and `ports`.
        what: it is.
        port: "hand", or "twin" for one that `from_keras_config` makes.
        mistake: of the wrong port.
        causes: IDs of the divergences that name the mistake, decided before it was checked. Where
            that was the place alone, N1, it is the younger cause that says what is wrong.
    """

    name: str
    what: str
    port: str
    mistake: str
    causes: tuple[str, ...]


NETWORKS = [
    Network("convnet", "Convnet for digits", "hand", "softmax before CrossEntropyLoss", ("D1",)),
    Network("mini_xception", "Mini-Xception", "hand", "MaxPool2d(3, 2, padding=1)", ("A7",)),
    Network("vit", "Vision transformer", "hand", "epsilon 1e-5 for 1e-6", ("A13",)),
    Network("cct", "Compact convolutional transformer", "hand", "no label smoothing", ("D4",)),
    Network("mlp_mixer", "MLP-Mixer", "hand", "tokens reshaped, not transposed", ("A26",)),
    Network("gmlp", "gMLP", "twin", "halves of the gate exchanged", ("A22", "A33", "N2")),
    Network("fnet", "FNet", "twin", "Fourier over features only", ("A38",)),
    Network("convmixer", "ConvMixer", "hand", "residual added too early", ("A22", "N1")),
    Network("eanet", "External attention", "hand", "softmax over the memory units", ("A21",)),
    Network("pointnet", "PointNet", "hand", "one penalty of a transform missing", ("C9",)),
    Network("unet_xception", "U-Net", "hand", "torch's RMSprop", ("F4",)),
    Network("deeplab", "DeepLabV3+", "hand", "align_corners=True", ("C14",)),
    Network("retinanet", "RetinaNet", "hand", "focal loss with gamma 1.5", ("D13", "D14")),
    Network("metric_learning", "Metric learning", "hand", "times the temperature", ("A27",)),
    Network("siamese", "Siamese network", "hand", "labels of the loss reversed", ("D13", "D16")),
    Network("super_resolution", "Sub-pixel CNN", "hand", "PixelShuffle", ("A26", "N1")),
    Network("zero_dce", "Zero-DCE", "hand", "weight 20 for 200 in the loss", ("D13", "I7")),
    Network("involution", "Involution", "twin", "unfold read as channels last", ("N2", "A26")),
    Network(
        "masked_autoencoder",
        "Masked autoencoder",
        "hand",
        "tokens joined in another order",
        ("A22", "A26", "A41"),
    ),
    Network("swin", "Swin windows", "hand", "rolled the other way", ("A41", "A35")),
    Network("token_learner", "TokenLearner", "twin", "weight decay 0.01", ("F9",)),
    Network("video_cnn_rnn", "CNN-RNN for videos", "hand", "mask ignored", ("A64",)),
    Network("conv_lstm", "ConvLSTM", "twin", "loss of logits on probabilities", ("D1",)),
    Network("vivit", "Video vision transformer", "twin", "exact GELU", ("A20",)),
    Network("captcha_ocr", "OCR with CTC", "hand", "blank is the last class", ("D13",)),
    Network("autoencoder", "Denoising autoencoder", "hand", "output_padding=1", ("A9",)),
    Network("learnable_resizer", "Learnable resizer", "twin", "slope 0.01", ("A13", "N2")),
    Network("cait", "CaiT", "hand", "softmax before the heads are mixed", ("A22", "A37")),
    Network("consistency", "Consistency training", "hand", "no weight of a loss", ("I7",)),
    Network("big_transfer", "BigTransfer", "twin", "unbiased variance of weights", ("N2",)),
]


def cases(work: Path) -> Iterator[Case]:
    """Yields a right port and a wrong one of each network."""
    for network in NETWORKS:
        yield in_files(FOLDER, network.name, RIGHT)
        yield in_files(
            FOLDER, network.name, "wrong", mistake=network.mistake, causes=network.causes
        )
