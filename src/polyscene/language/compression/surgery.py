"""Which inputs of a linear layer can be spared, and how the others take over for them.

A layer `y = W x + b` reads units x: single neurons, or the numbers of one head together. When a group g of
units goes, the best the rest can do is least squares on what the layer has seen of texts. With M = E[x xᵀ],
taken around the mean where there is a bias to carry it:

    what g costs   tr(W_g ((M⁻¹)_gg)⁻¹ W_gᵀ)     Hassibi and Stork, Optimal Brain Surgeon, NIPS 1993, eq. 5
    what stays     W' = W M_·K (M_KK)⁻¹          He, Zhang and Sun, Channel pruning, ICCV 2017, eq. 4
                   b' = b + W μ - W' μ_K

Both are exact for one group and one layer; costs of several groups add up only where they are independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import encode

RIDGE = 1e-3
"""Added to the diagonal of M, in units of its mean: more units than tokens must not divide by zero."""


@dataclass(eq=False)
class Moments:
    """What a layer has read, token by token, padding left out.

    Attributes:
        count: tokens.
        total: (k,) sum of x, float64.
        product: (k, k) sum of x xᵀ, float64.
    """

    count: int
    total: Tensor
    product: Tensor

    @classmethod
    def of(cls, width: int) -> Moments:
        """Return the moments of nothing."""
        return cls(0, torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64))

    def add(self, rows: Tensor) -> None:
        """Take in (n, k) inputs."""
        self.count += len(rows)
        self.total += rows.sum(0).double().cpu()
        self.product += (rows.T @ rows).double().cpu()

    def around(self, centred: bool) -> tuple[Tensor, Tensor]:
        """Return (k,) mean, 0 unless `centred`, and (k, k) M around it, with the ridge."""
        mean = self.total / self.count if centred else torch.zeros_like(self.total)
        product = self.product / self.count - torch.outer(mean, mean)
        ridge = RIDGE * product.diagonal().mean().clamp(min=1e-12)
        return mean, product + ridge * torch.eye(len(mean), dtype=torch.float64)


def input_moments(model: LanguageModel, parts: Sequence[nn.Linear], texts: Sequence[str]) -> list[Moments]:
    """Return what each of the model's layers `parts` reads while the model reads the texts.

    Raises:
        ModelError: no text has a word.
    """
    moments = [Moments.of(part.in_features) for part in parts]
    with observed_inputs(model.module, parts, lambda place, rows: moments[place].add(rows)):
        encode(replace(model, autocast=None), texts)
    if parts and not moments[0].count:
        raise ModelError(
            f"expected texts to calibrate on, found {len(texts)} without a visible character; give it "
            "texts of the catalogue"
        )
    return moments


@contextmanager
def observed_inputs(
    module: nn.Module, parts: Sequence[nn.Module], listener: Callable[[int, Tensor], None]
) -> Iterator[None]:
    """Hand every token that the parts of the module read to a listener.

    Args:
        module: reads padded texts.
        parts: whose inputs are wanted.
        listener: takes the part's place in `parts` and (n, k) inputs without padding.
    """
    masks: list[Tensor] = []

    def remember(module: nn.Module, args: object, kwargs: dict[str, Tensor]) -> None:
        masks[:] = [kwargs["attention_mask"].bool()]

    def listen(place: int, read: Tensor) -> None:
        listener(place, read[masks[0]] if read.dim() == 3 else read)  # (n, k)

    handles = [module.register_forward_pre_hook(remember, with_kwargs=True)]
    handles += [
        part.register_forward_pre_hook(lambda _, read, place=place: listen(place, read[0]))
        for place, part in enumerate(parts)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def removal_costs(linear: nn.Linear, moments: Moments, size: int) -> Tensor:
    """Return (k / size,) what each group of `size` neighbouring inputs costs when the others take over."""
    weight = linear.weight.detach().double().cpu()  # (out, k)
    _, product = moments.around(linear.bias is not None)
    inverse = torch.linalg.inv(product)  # (k, k)
    groups = weight.shape[1] // size
    blocks = inverse.view(groups, size, groups, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)  # (g, s, s)
    mine = weight.view(len(weight), groups, size).transpose(0, 1)  # (g, out, s)
    taken: Tensor = (mine @ torch.linalg.inv(blocks) * mine).sum((1, 2))  # (g,)
    return taken


def refit_inputs(linear: nn.Linear, moments: Moments, keep: Tensor) -> None:
    """Leave the layer only the inputs `keep` (ascending), its weights refitted to keep its outputs."""
    weight = linear.weight.detach().double().cpu()  # (out, k)
    mean, product = moments.around(linear.bias is not None)
    solved = torch.linalg.solve(product[keep][:, keep], product[keep] @ weight.T).T  # (out, kept)
    linear.weight = nn.Parameter(solved.to(linear.weight))
    linear.in_features = len(keep)
    if linear.bias is not None:
        shift = weight @ mean - solved @ mean[keep]  # (out,)
        linear.bias = nn.Parameter(linear.bias.detach() + shift.to(linear.bias))


def keep_outputs(linear: nn.Linear, keep: Tensor) -> None:
    """Leave the layer only the outputs `keep`."""
    linear.weight = nn.Parameter(linear.weight.detach()[keep].clone())
    linear.out_features = len(keep)
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[keep].clone())
