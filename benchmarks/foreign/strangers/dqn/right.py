"""Double DQN with a dueling network: batches of transitions, Huber loss, a target that follows slowly."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdam, clip_by_norm_, glorot_

STATE, ACTIONS, GAMMA, TAU = 4, 3, 0.95, 0.05


class QNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(STATE, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU())
        self.value = nn.Linear(12, 1)
        self.advantage = nn.Linear(12, ACTIONS)

    def forward(self, state):
        x = self.body(state)
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(1, keepdim=True)


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = glorot_(QNetwork())
        self.target = copy.deepcopy(self.online).requires_grad_(False)


def build():
    agent = Agent()
    optimizer = KerasAdam(agent.online.parameters(), lr=2e-3)

    def step(batch):
        with torch.no_grad():
            best = agent.online(batch["next_state"]).argmax(1, keepdim=True)
            future = agent.target(batch["next_state"]).gather(1, best)[:, 0]
            updated = batch["reward"] + GAMMA * (1 - batch["done"]) * future
        chosen = agent.online(batch["state"]).gather(1, batch["action"].long()[:, None])[:, 0]
        loss = F.huber_loss(chosen, updated)
        optimizer.zero_grad()
        loss.backward()
        clip_by_norm_(agent.online.parameters(), 0.5)
        optimizer.step()
        with torch.no_grad():
            for t, o in zip(agent.target.parameters(), agent.online.parameters(), strict=True):
                t.lerp_(o, TAU)
        return {"loss": loss, "q": chosen.mean()}

    return Port(agent, train_step=step)
