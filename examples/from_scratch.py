"""A complete GAN in one file, without the library: the game that `leafwing.game` plays.

    python examples/from_scratch.py

Learns a ring of eight points in the plane; prints how many of the eight it found.
"""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

torch.manual_seed(0)
ring = torch.tensor([[math.cos(a), math.sin(a)] for a in torch.arange(8) * math.pi / 4])


def net(d_in: int, d_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_in, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, d_out))


G, D = net(8, 2), net(2, 1)
opt_G, opt_D = (torch.optim.Adam(n.parameters(), lr=1e-3, betas=(0.5, 0.99)) for n in (G, D))

for _ in range(1500):
    real = ring[torch.randint(8, (256,))] + 0.02 * torch.randn(256, 2)

    # Step 1: fix G; D learns to tell real (1) from generated (0).
    with torch.no_grad():
        fake = G(torch.randn(256, 8))
    real.requires_grad_()
    on_real = D(real)
    (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
    r1 = slope.square().sum(1).mean() / 2
    opt_D.zero_grad()
    (softplus(-on_real).mean() + softplus(D(fake)).mean() + 0.1 * r1).backward()
    opt_D.step()

    # Step 2: fix D; G learns to raise D's score.
    D.requires_grad_(False)
    opt_G.zero_grad()
    softplus(-D(G(torch.randn(256, 8)))).mean().backward()
    opt_G.step()
    D.requires_grad_(True)

with torch.no_grad():
    nearest = torch.cdist(G(torch.randn(2000, 8)), ring).min(1)
found = len(set(nearest.indices[nearest.values < 0.2].tolist()))
print(f"{found} of 8 points found; {float((nearest.values < 0.2).float().mean()):.0%} of the samples lie near one")
