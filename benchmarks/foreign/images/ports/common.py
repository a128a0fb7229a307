"""What several ports use: Keras's default initial weights, configs, patches of images."""

import json
from pathlib import Path

from torch import nn

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
WITH_KERNEL = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose2d,
)


def keras_init(model):
    """Glorot-uniform kernels and zero biases, which Keras draws by default."""
    for module in model.modules():
        if isinstance(module, WITH_KERNEL):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def config_of(name):
    """What `model.to_json()` wrote, read back: `write_configs.py` makes the files."""
    return json.loads((CONFIGS / f"{name}.json").read_text())


class Patches(nn.Module):
    """Images (N, H, W, C) in squares: (N, squares, size * size * C)."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        n, height, width, channels = x.shape
        size = self.size
        x = x.reshape(n, height // size, size, width // size, size, channels)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(n, -1, size * size * channels)


def patches(entry):
    """The factory of `Patches` for a twin."""
    return Patches(entry.config["patch_size"])
