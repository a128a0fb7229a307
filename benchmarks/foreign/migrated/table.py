"""The mistakes of the wrong ports, and the part of a training that each was expected in."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.foreign.case import RIGHT, Case, in_files

FOLDER = Path(__file__).parent


class Fault(NamedTuple):
    """A wrong port.

    Attributes:
        network: name of the two files.
        port: function of `ports/NETWORK.py`.
        level: of the ladder, at which the mistake was expected before the first check.
        mistake: in words.
    """

    network: str
    port: str
    level: str
    mistake: str


FAULTS = (
    Fault(
        "convnext_tiny",
        "wrong_1",
        "forward",
        "GELU by the tanh approximation instead of the exact one",
    ),
    Fault(
        "convnext_tiny",
        "wrong_2",
        "optimizer",
        "AdamW's weight decay is torch's default 0.01 instead of 0.05",
    ),
    Fault(
        "convnext_tiny",
        "wrong_3",
        "schedule",
        "the cosine decay counts the warmup steps as part of the decay",
    ),
    Fault(
        "crnn_ocr",
        "wrong_1",
        "forward",
        "a column is flattened channels first, (C, H) instead of (H, C), in front of the dense layer",
    ),
    Fault("crnn_ocr", "wrong_2", "optimizer", "clipvalue becomes a clipping of the global norm"),
    Fault("crnn_ocr", "wrong_3", "forward", "the LSTM with go_backwards runs forwards"),
    Fault(
        "denoise_ae",
        "wrong_1",
        "forward",
        "the second strided 'same' convolution pads both sides by 1 instead of the end alone",
    ),
    Fault("denoise_ae", "wrong_2", "loss", "the activity penalty is not divided by the batch size"),
    Fault(
        "denoise_ae",
        "wrong_3",
        "optimizer",
        "torch.optim.Adagrad, whose sums begin with 0 instead of 0.1",
    ),
    Fault(
        "espcn_sr",
        "wrong_1",
        "forward",
        "F.pixel_shuffle, whose channels are (C, r, r), instead of TensorFlow's depth_to_space (r, r, C)",
    ),
    Fault("espcn_sr", "wrong_2", "forward", "bilinear upsampling with align_corners=True"),
    Fault("espcn_sr", "wrong_3", "schedule", "the polynomial decay is linear instead of quadratic"),
    Fault(
        "gcn_nodes",
        "wrong_1",
        "forward",
        "degrees are summed over the columns' axis instead of the rows'",
    ),
    Fault(
        "gcn_nodes",
        "wrong_2",
        "forward",
        "the first dropout stands before the readout instead of on the input features",
    ),
    Fault(
        "gcn_nodes",
        "wrong_3",
        "optimizer",
        "torch.optim.RMSprop without centered, and epsilon outside of the root",
    ),
    Fault(
        "gru_weather",
        "wrong_1",
        "forward",
        "the second GRU applies the reset gate after the recurrent product, as torch does, where Keras has reset_after=False",
    ),
    Fault(
        "gru_weather",
        "wrong_2",
        "optimizer",
        "clipnorm is taken as a clipping by the global norm of all gradients",
    ),
    Fault(
        "gru_weather",
        "wrong_3",
        "loss",
        "Huber loss with torch's default delta of 1 instead of 0.5",
    ),
    Fault(
        "mixer_small",
        "wrong_1",
        "gradient",
        "the layer norm that both halves of a mixer share becomes two with weights of their own",
    ),
    Fault(
        "mixer_small",
        "wrong_2",
        "loss",
        "kl_div with reduction='mean', which divides by the number of classes as well",
    ),
    Fault(
        "mixer_small",
        "wrong_3",
        "optimizer",
        "torch.optim.Adamax adds weight_decay to the gradient (L2) instead of decaying weights apart",
    ),
    Fault(
        "mobilenet_se",
        "wrong_1",
        "forward",
        "the gate of squeeze and excitation is sigmoid instead of hard sigmoid",
    ),
    Fault(
        "mobilenet_se",
        "wrong_2",
        "loss",
        "the L2 penalty is half as large (0.5 * factor * sum of squares)",
    ),
    Fault(
        "mobilenet_se",
        "wrong_3",
        "schedule",
        "the piecewise constant rate is cut one step too early at both boundaries",
    ),
    Fault(
        "sensor_cnn",
        "wrong_1",
        "forward",
        "LeakyReLU layers have torch's default slope 0.01 instead of Keras's 0.3",
    ),
    Fault("sensor_cnn", "wrong_2", "forward", "the average pool counts the padded value"),
    Fault(
        "sensor_cnn",
        "wrong_3",
        "optimizer",
        "the moments of AdamW are not corrected for their bias",
    ),
    Fault(
        "seq2seq_attn",
        "wrong_1",
        "forward",
        "the decoder begins from zeros instead of the encoder's states",
    ),
    Fault(
        "seq2seq_attn",
        "wrong_2",
        "gradient",
        "the encoder's states are detached, so the decoder's gradient does not reach the encoder through them",
    ),
    Fault(
        "seq2seq_attn",
        "wrong_3",
        "gradient",
        "the tied output table is detached: the embedding gets no gradient from the logits",
    ),
    Fault(
        "siamese_digits",
        "wrong_1",
        "gradient",
        "weight sharing is lost: each image has an embedding network of its own",
    ),
    Fault("siamese_digits", "wrong_2", "optimizer", "SGD without nesterov"),
    Fault(
        "siamese_digits",
        "wrong_3",
        "loss",
        "the contrastive loss takes label 1 as a pair of the same class",
    ),
    Fault("tabular_heads", "wrong_1", "forward", "ELU instead of SELU"),
    Fault(
        "tabular_heads",
        "wrong_2",
        "optimizer",
        "torch.optim.NAdam, whose momentum schedule has the exponent 0.004 t instead of t",
    ),
    Fault(
        "tabular_heads",
        "wrong_3",
        "init",
        "lecun_normal is drawn from a normal distribution that is not truncated",
    ),
    Fault(
        "text_bilstm",
        "wrong_1",
        "forward",
        "padding is not masked: the LSTMs run over the padded steps",
    ),
    Fault("text_bilstm", "wrong_2", "init", "the forget gate's bias begins with 0 instead of 1"),
    Fault(
        "text_bilstm",
        "wrong_3",
        "optimizer",
        "torch.optim.RMSprop with its defaults (alpha 0.99, epsilon 1e-8 outside the root)",
    ),
    Fault(
        "transfer_frozen",
        "wrong_1",
        "forward",
        "the frozen backbone's batch norms stay in train mode (only requires_grad is off)",
    ),
    Fault(
        "transfer_frozen", "wrong_2", "gradient", "the backbone is not frozen: its weights train"
    ),
    Fault(
        "transfer_frozen",
        "wrong_3",
        "gradient",
        "the focusing factor of the focal loss is detached, so no gradient goes through it",
    ),
    Fault(
        "transformer_news",
        "wrong_1",
        "forward",
        "layer norms stand before attention and feed-forward (pre-norm) instead of behind the sum",
    ),
    Fault("transformer_news", "wrong_2", "forward", "attention is not masked at padded tokens"),
    Fault(
        "transformer_news",
        "wrong_3",
        "schedule",
        "the warmup schedule counts from step 0 instead of 1",
    ),
    Fault("two_tower", "wrong_1", "gradient", "the pretrained text vectors are not frozen"),
    Fault("two_tower", "wrong_2", "forward", "the vectors of both towers are not normalised"),
    Fault("two_tower", "wrong_3", "optimizer", "Lion with Adam's beta_2 of 0.999 instead of 0.99"),
    Fault(
        "unet_dice",
        "wrong_1",
        "forward",
        "transposed convolution with padding=1, output_padding=1 instead of Keras's cropping at the end",
    ),
    Fault(
        "unet_dice",
        "wrong_2",
        "loss",
        "Dice is computed over the whole batch instead of for each sample",
    ),
    Fault(
        "unet_dice",
        "wrong_3",
        "forward",
        "batch norm momentum 0.9 taken over from Keras, where torch needs 0.1",
    ),
    Fault(
        "vit_small",
        "wrong_1",
        "forward",
        "attention scores are scaled by the whole width instead of that of one head",
    ),
    Fault(
        "vit_small",
        "wrong_2",
        "forward",
        "patches become tokens column by column instead of row by row, against the position embedding",
    ),
    Fault("vit_small", "wrong_3", "optimizer", "beta_2 is torch's default 0.999 instead of 0.95"),
    Fault(
        "wavenet_mu",
        "wrong_1",
        "forward",
        "the convolutions pad on both sides ('same') instead of causally",
    ),
    Fault(
        "wavenet_mu",
        "wrong_2",
        "forward",
        "the residual connection around each gated block is missing",
    ),
    Fault(
        "wavenet_mu",
        "wrong_3",
        "schedule",
        "the exponential decay is smooth instead of a staircase",
    ),
)
NETWORKS = tuple(dict.fromkeys(fault.network for fault in FAULTS))


def cases(work: Path) -> Iterator[Case]:
    """Yields a right port and three wrong ones of each network."""
    for network in NETWORKS:
        yield in_files(FOLDER, network, RIGHT)
        for fault in FAULTS:
            if fault.network == network:
                yield in_files(
                    FOLDER, network, fault.port, mistake=fault.mistake, level=fault.level
                )
