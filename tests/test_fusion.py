"""How x meets z: joined (R3), added (R4), or as a user's own module does it (R5)."""

import pytest
import torch
from torch import nn

from leafwing.core.errors import BadNetwork
from leafwing.fusion import Add, Concatenate, Fusion, check_fusion

torch.set_num_threads(1)


def test_r3_concatenation_is_a_longer_vector():
    """R3: dim(out) = dim(z) + dim(x), z first, nothing changed."""
    fusion = Concatenate(100, 12)
    z, x = torch.randn(8, 100), torch.randn(8, 12)
    fused = fusion(z, x)
    assert fusion.out_dim == 112
    assert fused.shape == (8, 112)
    assert torch.equal(fused[:, :100], z)
    assert torch.equal(fused[:, 100:], x)


def test_r4_addition_for_equal_lengths():
    """R4: z + x, of the same length."""
    fusion = Add(5, 5)
    z, x = torch.randn(8, 5), torch.randn(8, 5)
    assert fusion.out_dim == 5
    assert torch.equal(fusion(z, x), z + x)


@pytest.mark.parametrize(("z_dim", "x_dim"), [(100, 12), (5, 1), (1, 5)])
def test_r4_unequal_lengths_are_refused_at_once(z_dim, x_dim):
    """R4: a clear error, also where torch would broadcast."""
    with pytest.raises(BadNetwork, match=f"z_dim={z_dim} and x_dim={x_dim}.*Concatenate"):
        Add(z_dim, x_dim)


@pytest.mark.parametrize("fusion", [Add(5, 5), Concatenate(5, 5)], ids=["add", "concatenate"])
@pytest.mark.parametrize(
    ("z_shape", "x_shape"),
    [
        ((8, 5), (1, 5)),
        ((1, 5), (8, 5)),
        ((8, 5), (8, 1)),
        ((8, 5), (5,)),
        ((8, 4), (8, 4)),
        ((8, 5, 1), (8, 5, 1)),
    ],
)
def test_r4_nothing_is_stretched_to_fit(fusion, z_shape, x_shape):
    """R4: one row against eight is refused as well."""
    with pytest.raises(BadNetwork, match="same n"):
        fusion(torch.zeros(z_shape), torch.zeros(x_shape))


class Film(nn.Module):
    """A user's fusion: x scales and shifts z. Not known to the package."""

    def __init__(self, z_dim: int, x_dim: int) -> None:
        super().__init__()
        self.out_dim = z_dim
        self.affine = nn.Sequential(nn.Linear(x_dim, 2 * z_dim), nn.BatchNorm1d(2 * z_dim))

    def forward(self, z, x):
        scale, shift = self.affine(x).chunk(2, dim=1)
        return z * (1 + scale) + shift


@pytest.mark.parametrize("fusion", [Concatenate(6, 3), Add(3, 3), Film(6, 3)], ids=["concatenate", "add", "user"])
def test_r5_any_module_with_out_dim_is_a_fusion(fusion):
    """R5: the check accepts it and leaves mode, weights and statistics as they were."""
    fusion.train()
    before = {name: value.clone() for name, value in fusion.state_dict().items()}
    z_dim = getattr(fusion, "z_dim", 6)
    assert isinstance(fusion, Fusion)
    assert check_fusion(fusion, z_dim, 3) is fusion
    assert all(module.training for module in fusion.modules())
    assert all(torch.equal(value, before[name]) for name, value in fusion.state_dict().items())


class Careless(nn.Module):
    """Says one length, gives another."""

    out_dim = 4

    def forward(self, z, x):
        return z


class Talkative(Careless):
    def forward(self, z, x):
        return z, x


@pytest.mark.parametrize(
    ("fusion", "sentence"),
    [
        (nn.Linear(3, 3), "must be a torch.nn.Module with out_dim"),
        (lambda z, x: z, "must be a torch.nn.Module"),
        (Careless(), r"must give \[2, 4\] .its out_dim.; got \[2, 6\]"),
        (Talkative(), "got tuple"),
        (Film(7, 3), r"failed on z \[2, 6\] and x \[2, 3\]"),
        (Concatenate(7, 3), r"wants z \[n, 7\]"),
    ],
)
def test_r5_a_bad_fusion_is_named_in_one_sentence(fusion, sentence):
    with pytest.raises(BadNetwork, match=sentence):
        check_fusion(fusion, 6, 3)


def test_r1_gradients_reach_both():
    """R1: G sees x and z together, so both can matter."""
    for fusion in (Concatenate(4, 4), Add(4, 4)):
        z, x = torch.randn(2, 4, requires_grad=True), torch.randn(2, 4, requires_grad=True)
        fusion(z, x).square().sum().backward()
        assert z.grad.abs().min() > 0
        assert x.grad.abs().min() > 0
