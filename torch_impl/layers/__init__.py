"""Keras's layers by Keras's equations, for any torch program.

Tensors have torch's layout, (N, C, ...), and weights are stored as torch stores them. An `axis` is
an axis of the tensor in this layout. Nothing here needs the harness.

A Dense layer is torch.nn.Linear, which takes the last axis too.
"""

from torch_impl.layers import activations
from torch_impl.layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from torch_impl.layers.attention import AdditiveAttention, Attention
from torch_impl.layers.bidirectional import Bidirectional
from torch_impl.layers.categories import CategoryEncoding, Discretization, IntegerLookup
from torch_impl.layers.conv_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from torch_impl.layers.convolution import Conv1D, Conv2D, Conv3D
from torch_impl.layers.depthwise import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from torch_impl.layers.dropout import AlphaDropout, Dropout, SpatialDropout
from torch_impl.layers.einsum_dense import EinsumDense
from torch_impl.layers.hashing import HashedCrossing, Hashing
from torch_impl.layers.image.colors import (
    RandomColorDegeneration,
    RandomGrayscale,
    RandomInvert,
    RandomSharpness,
    Solarization,
)
from torch_impl.layers.image.cropping import CenterCrop, RandomCrop, Resizing
from torch_impl.layers.image.intensity import RandomBrightness, RandomContrast
from torch_impl.layers.image.moves import (
    RandomFlip,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from torch_impl.layers.image.random_layer import RandomImageLayer
from torch_impl.layers.initial import glorot_uniform, initialise, initialise_independently
from torch_impl.layers.layer_normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from torch_impl.layers.masking import Masking
from torch_impl.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)
from torch_impl.layers.multi_head_attention import GroupQueryAttention, MultiHeadAttention
from torch_impl.layers.noise import GaussianDropout, GaussianNoise
from torch_impl.layers.normalization import BatchNormalization
from torch_impl.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling,
    GlobalAveragePooling1D,
    GlobalMaxPooling,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from torch_impl.layers.recurrent import GRU, LSTM, SimpleRNN
from torch_impl.layers.recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from torch_impl.layers.recurrent_dropout import RecurrentDropout
from torch_impl.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from torch_impl.layers.residual import CustomScaleLayer, LayerScale, StochasticDepth
from torch_impl.layers.resizing import Cropping, UpSampling, ZeroPadding
from torch_impl.layers.rnn import RNN
from torch_impl.layers.scaling import Embedding, Normalization, Rescaling, ReversibleEmbedding
from torch_impl.layers.spectral_normalization import SpectralNormalization
from torch_impl.layers.spectrograms import MelSpectrogram, STFTSpectrogram
from torch_impl.layers.transposed import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from torch_impl.layers.weight import Weight
from torch_impl.torch_names import explain_torch_names

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Cropping",
    "CustomScaleLayer",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling",
    "GroupNormalization",
    "GroupQueryAttention",
    "HashedCrossing",
    "Hashing",
    "IntegerLookup",
    "LSTMCell",
    "LayerNormalization",
    "LayerScale",
    "LeakyReLU",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "MelSpectrogram",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomGrayscale",
    "RandomImageLayer",
    "RandomInvert",
    "RandomRotation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "RecurrentDropout",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Resizing",
    "ReversibleEmbedding",
    "STFTSpectrogram",
    "SeparableConv1D",
    "SeparableConv2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "Solarization",
    "SpatialDropout",
    "SpectralNormalization",
    "StackedRNNCells",
    "StochasticDepth",
    "Subtract",
    "UnitNormalization",
    "UpSampling",
    "Weight",
    "ZeroPadding",
    "activations",
    "glorot_uniform",
    "initialise",
    "initialise_independently",
]

explain_torch_names(__name__)
