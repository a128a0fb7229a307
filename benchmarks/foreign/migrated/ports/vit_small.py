import math

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class Attention(nn.Module):
    def __init__(self, dim, heads, rate, scale):
        super().__init__()
        self.heads, self.scale = heads, scale
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attn_drop = nn.Dropout(rate)
        self.proj = nn.Linear(dim, dim)
        for w in self.qkv.weight.chunk(3):  # each projection has fans of its own in Keras
            nn.init.xavier_uniform_(w.data)
        nn.init.xavier_uniform_(self.proj.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        attn = (q @ k.transpose(-2, -1)) * self.scale
        attn = self.attn_drop(attn.softmax(dim=-1))
        return self.proj((attn @ v).transpose(1, 2).reshape(b, n, c))


class Mlp(nn.Module):
    def __init__(self, dim, hidden, rate):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.drop1 = nn.Dropout(rate)
        self.drop2 = nn.Dropout(rate)
        for m in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.drop2(self.fc2(self.drop1(F.gelu(self.fc1(x)))))


class Block(nn.Module):
    def __init__(self, dim, heads, rate, scale):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, rate, scale)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 2 * dim, rate)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(
        self, dim=8, heads=2, depth=2, classes=3, rate=0.1, scale=None, column_major=False
    ):
        super().__init__()
        self.column_major = column_major
        scale = (dim // heads) ** -0.5 if scale is None else scale
        self.patch = nn.Conv2d(3, dim, 4, stride=4)
        nn.init.xavier_uniform_(self.patch.weight)
        nn.init.zeros_(self.patch.bias)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, 10, dim) * 0.02)
        self.blocks = nn.ModuleList(Block(dim, heads, rate, scale) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        x = self.patch(x)
        if self.column_major:
            x = x.transpose(2, 3)
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class KerasAdamW(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.95), eps=1e-7, weight_decay=0.1):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["step"], s["m"], s["v"] = 0, torch.zeros_like(p), torch.zeros_like(p)
                s["step"] += 1
                p.mul_(1 - lr * group["weight_decay"])
                s["m"].mul_(b1).add_(p.grad, alpha=1 - b1)
                s["v"].mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                a = lr * math.sqrt(1 - b2 ** s["step"]) / (1 - b1 ** s["step"])
                p.addcdiv_(s["m"], s["v"].sqrt().add_(group["eps"]), value=-a)


@torch.no_grad()
def clip_global(net, limit=0.5):
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    norm = torch.sqrt(sum(g.square().sum() for g in grads))
    factor = limit / torch.clamp(norm, min=limit)
    for g in grads:
        g.mul_(factor)


def _port(net, betas=(0.9, 0.95)):
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=KerasAdamW(net.parameters(), betas=betas),
        before_step=clip_global,
    )


def right():
    return _port(ViT())


def wrong_1():
    return _port(ViT(scale=8**-0.5))  # the whole width instead of that of a head


def wrong_2():
    return _port(ViT(column_major=True))


def wrong_3():
    return _port(ViT(), betas=(0.9, 0.999))
