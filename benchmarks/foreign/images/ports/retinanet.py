"""RetinaNet. Mistake: the focal loss has gamma 1.5 instead of 2."""

import math

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization, Conv2D
from torch_impl.optim import SGD
from torch_impl.schedule import PiecewiseConstantDecay

CLASSES, ANCHORS = 3, 2


def conv_norm(cin, cout):
    return nn.Sequential(
        Conv2D(cin, cout, 3, strides=2, padding="same", use_bias=False),
        BatchNormalization(cout),
        nn.ReLU(),
    )


class Head(nn.Sequential):
    def __init__(self, outputs, bias=0.0):
        super().__init__(
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, outputs, 3, padding=1),
        )
        for layer in list(self)[::2]:
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self[-1].bias, bias)


class RetinaNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage3, self.stage4 = conv_norm(3, 6), conv_norm(6, 8)
        self.lateral3, self.lateral4 = nn.Conv2d(6, 8, 1), nn.Conv2d(8, 8, 1)
        self.smooth3 = nn.Conv2d(8, 8, 3, padding=1)
        self.smooth4 = nn.Conv2d(8, 8, 3, padding=1)
        self.extra5 = Conv2D(8, 8, 3, strides=2, padding="same")
        keras_init(self)
        self.classes = Head(ANCHORS * CLASSES, -math.log((1 - 0.01) / 0.01))
        self.boxes = Head(ANCHORS * 4)

    def forward(self, x):
        c3 = self.stage3(x)
        c4 = self.stage4(c3)
        p4 = self.lateral4(c4)
        p3 = self.lateral3(c3) + F.interpolate(p4, scale_factor=2, mode="nearest")
        levels = [self.smooth3(p3), self.smooth4(p4), self.extra5(c4)]
        outputs = []
        for level in levels:
            boxes = self.boxes(level).permute(0, 2, 3, 1).reshape(len(x), -1, 4)
            classes = self.classes(level).permute(0, 2, 3, 1).reshape(len(x), -1, CLASSES)
            outputs.append(torch.cat([boxes, classes], dim=2))
        return torch.cat(outputs, dim=1)


class RetinaLoss:
    def __init__(self, alpha=0.25, gamma=2.0):
        self.alpha, self.gamma = alpha, gamma

    def __call__(self, output, target):
        labels = target[..., 4]
        positive, ignored = labels > -1, labels == -2
        one_hot = torch.zeros_like(output[..., 4:])
        one_hot[positive] = F.one_hot(labels[positive].long(), CLASSES).to(output.dtype)
        logits = output[..., 4:]
        entropy = F.binary_cross_entropy_with_logits(logits, one_hot, reduction="none")
        probs = logits.sigmoid()
        missed = torch.where(one_hot == 1, 1 - probs, probs)
        alpha = torch.where(one_hot == 1, self.alpha, 1 - self.alpha)
        classes = (alpha * missed**self.gamma * entropy).sum(-1).masked_fill(ignored, 0.0)
        boxes = F.smooth_l1_loss(output[..., :4], target[..., :4], reduction="none").sum(-1)
        boxes = boxes * positive
        count = positive.sum(1)
        return ((classes.sum(1) + boxes.sum(1)) / count).mean()


def build(mistake=False):
    net = RetinaNet()
    rate = PiecewiseConstantDecay([2, 4], [0.01, 0.005, 0.001])
    return Port(
        net,
        loss=RetinaLoss(gamma=1.5 if mistake else 2.0),
        optimizer=SGD(net.parameters(), learning_rate=rate, momentum=0.9),
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
