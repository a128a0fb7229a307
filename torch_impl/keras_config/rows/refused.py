"""REFUSED: the public layers of Keras that have no twin, each with the reason and what to do."""

from __future__ import annotations

_BASE = "it is a base class, of which no network is made"
_IMAGES = (
    "no layer of torch_impl makes its images; put it in front of the model, and give both halves "
    "what it makes"
)
_TEXT = (
    "it takes text, of which torch has no tensors; put it in front of the model, and give both "
    "halves what it makes"
)
_PROGRAM = "it runs a program, which a config has not; give its torch module by custom={...}"

# Keras's class -> what stands behind "layer 'NAME' of class 'CLASS': ".
REFUSED: dict[str, str] = {
    **dict.fromkeys(("InputSpec", "Layer", "Wrapper"), _BASE),
    **dict.fromkeys(("FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"), _PROGRAM),
    **dict.fromkeys(("StringLookup", "TextVectorization"), _TEXT),
    **dict.fromkeys(
        (
            *("AugMix", "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "CutMix"),
            *("Equalization", "MaxNumBoundingBoxes", "MixUp", "RandAugment"),
            *("RandomColorJitter", "RandomElasticTransform", "RandomErasing"),
            *("RandomGaussianBlur", "RandomHue", "RandomPerspective"),
            *("RandomPosterization", "RandomSaturation"),
        ),
        _IMAGES,
    ),
}
