import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port


class GCNLayer(nn.Module):
    def __init__(self, nin, nout, bias=True, degree_dim=-1):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nin, nout))
        bound = (6 / nin) ** 0.5
        nn.init.uniform_(self.weight, -bound, bound)  # he_uniform: fan_in is the first side here
        self.bias = nn.Parameter(torch.zeros(nout)) if bias else None
        self.degree_dim = degree_dim

    def forward(self, x, adj):
        a = adj.abs() + torch.eye(adj.shape[-1], dtype=adj.dtype, device=adj.device)
        d = a.sum(self.degree_dim).pow(-0.5)
        a = d.unsqueeze(-1) * a * d.unsqueeze(-2)
        y = a @ (x @ self.weight)
        return y if self.bias is None else y + self.bias


class GCN(nn.Module):
    def __init__(self, degree_dim=-1, drop_after_last=False):
        super().__init__()
        self.gc1 = GCNLayer(5, 8, degree_dim=degree_dim)
        self.gc2 = GCNLayer(8, 6, bias=False, degree_dim=degree_dim)
        self.out = nn.Linear(6, 3, bias=False)
        nn.init.xavier_uniform_(self.out.weight)
        self.drop = nn.Dropout(0.2)
        self.drop_after_last = drop_after_last

    def forward(self, features, adjacency):
        x = features if self.drop_after_last else self.drop(features)
        x = F.elu(self.gc1(x, adjacency))
        x = F.elu(self.gc2(self.drop(x), adjacency))
        x = F.normalize(x, dim=-1)
        return self.out(self.drop(x) if self.drop_after_last else x)


class CenteredRMSprop(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, rho=0.95, momentum=0.8, eps=1e-5):
        super().__init__(params, dict(lr=lr, rho=rho, momentum=momentum, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                s = self.state[p]
                if not s:
                    s["sq"], s["avg"], s["buf"] = (
                        torch.zeros_like(p),
                        torch.zeros_like(p),
                        torch.zeros_like(p),
                    )
                s["sq"].lerp_(p.grad.square(), 1 - g["rho"])
                s["avg"].lerp_(p.grad, 1 - g["rho"])
                step = g["lr"] * p.grad / (s["sq"] - s["avg"].square() + g["eps"]).sqrt()
                s["buf"].mul_(g["momentum"]).add_(step)
                p.sub_(s["buf"])


def node_loss(logits, target):
    return F.cross_entropy(logits.flatten(0, 1), target.long().flatten())


def l1_l2(net):
    w = net.gc1.weight
    return 1e-4 * w.abs().sum() + 5e-3 * w.square().sum()


def _port(net, optimizer=None):
    return Port(
        net,
        loss=node_loss,
        optimizer=optimizer or CenteredRMSprop(net.parameters()),
        added_loss=l1_l2,
        feed=lambda features, adjacency: (torch.from_numpy(features), torch.from_numpy(adjacency)),
    )


def right():
    return _port(GCN())


def wrong_1():
    return _port(GCN(degree_dim=-2))  # degrees of columns: the same for a symmetric matrix only


def wrong_2():
    return _port(GCN(drop_after_last=True))


def wrong_3():
    net = GCN()
    return _port(
        net, torch.optim.RMSprop(net.parameters(), lr=0.01, alpha=0.95, momentum=0.8, eps=1e-5)
    )
