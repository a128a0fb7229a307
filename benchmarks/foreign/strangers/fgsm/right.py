"""Adversarial training (FGSM): the mean of the losses of clean and of perturbed images."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import BatchNorm2d, clip_by_global_norm_, glorot_

EPSILON = 0.03


class AdversarialClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, 4),
        )

    def forward(self, x):
        return self.classifier(x)


def attack(model, images, labels):
    """Images that are moved along the sign of the gradient, as far as they stay images."""
    model.eval()
    images = images.detach().requires_grad_(True)
    loss = F.cross_entropy(model(images), labels)
    (gradient,) = torch.autograd.grad(loss, images)
    return (images + EPSILON * gradient.sign()).clamp(0.0, 1.0).detach()


def build():
    model = glorot_(AdversarialClassifier())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step(data):
        images, labels = data
        labels = labels.long().flatten()
        optimizer.zero_grad()
        perturbed = attack(model, images, labels)
        model.train()
        clean_loss = F.cross_entropy(model(images), labels)
        adversarial_loss = F.cross_entropy(model(perturbed), labels)
        loss = 0.5 * clean_loss + 0.5 * adversarial_loss
        loss.backward()
        clip_by_global_norm_(model.parameters(), 0.5)
        optimizer.step()
        return {"loss": loss, "clean_loss": clean_loss}

    return Port(model, train_step=step, feed=lambda images: torch.from_numpy(images).movedim(-1, 1))
