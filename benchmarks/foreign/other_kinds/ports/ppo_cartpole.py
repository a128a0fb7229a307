"""Actor and critic of PPO.

The mistake: the ratio is clamped on both sides whatever the advantage, without the minimum.
"""

import torch
from blocks_by_hand import keras_init
from torch import nn
from torch.distributions import Categorical

from torch_impl import Port, optim


def mlp(outputs):
    return nn.Sequential(
        nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, outputs)
    )


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor, self.critic = mlp(2), mlp(1)

    def forward(self, observation):
        return {"policy": self.actor(observation), "value": self.critic(observation).squeeze(-1)}


def ratio_of(logits, target):
    action, advantage, old = target.unbind(1)
    return torch.exp(Categorical(logits=logits).log_prob(action) - old), advantage


def clipped_surrogate(logits, target):
    ratio, advantage = ratio_of(logits, target)
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def clamped_only(logits, target):
    ratio, advantage = ratio_of(logits, target)
    return -(ratio.clamp(0.8, 1.2) * advantage).mean()


def port(policy):
    net = keras_init(ActorCritic())
    return Port(
        net,
        loss={"policy": policy, "value": nn.MSELoss()},
        loss_weights={"policy": 1.0, "value": 0.5},
        optimizer=optim.Adam(net.parameters(), learning_rate=3e-4),
    )


def right():
    return port(clipped_surrogate)


def wrong():
    return port(clamped_only)
