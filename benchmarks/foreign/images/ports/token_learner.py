"""TokenLearner as a twin. Mistake: the twin's AdamW decays with torch's factor of 0.01."""

import torch
from common import config_of
from torch import nn

from torch_impl import Port, from_keras_config, losses, metrics
from torch_impl.optim import AdamW


class PatchEncoder(nn.Module):
    def __init__(self, patches, dim):
        super().__init__()
        self.position_embedding = nn.Embedding(patches, dim)
        nn.init.uniform_(self.position_embedding.weight, -0.05, 0.05)

    def forward(self, x):
        return x + self.position_embedding(torch.arange(x.shape[1], device=x.device))


def build(mistake=False):
    twin = from_keras_config(
        config_of("token_learner"),
        custom={
            "tokens>PatchEncoder": lambda entry: PatchEncoder(
                entry.config["num_patches"], entry.config["projection_dim"]
            )
        },
    )
    return Port(
        twin,
        loss=losses.SparseCategoricalCrossentropy(),
        optimizer=AdamW(
            twin.parameters(), learning_rate=1e-3, weight_decay=1e-2 if mistake else 1e-4
        ),
        metrics=[
            metrics.SparseCategoricalAccuracy(name="accuracy"),
            metrics.SparseTopKCategoricalAccuracy(2, name="top-2-accuracy"),
        ],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
