"""The distances in PyTorch, and in the packages built on it."""

import math
from collections.abc import Callable
from typing import Any

import torch  # pyright: ignore[reportMissingImports]

from benchmarks.harness.distances.problem import TEMPERATURE, Call, Problem


def contrastive(distances: torch.Tensor) -> torch.Tensor:
    """Mean over rows of -log softmax of -distance / temperature, at the diagonal."""
    logits = -distances / TEMPERATURE
    return (torch.logsumexp(logits, 1) - logits.diagonal()).mean()


def tensors(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """Both batches."""
    return torch.from_numpy(problem.xs.copy()), torch.from_numpy(problem.ys.copy())


def call(distances: Callable[..., torch.Tensor], problem: Problem, task: str) -> Call:
    """A call for a task of a function of (xs, ys) that autograd can differentiate."""
    xs, ys = tensors(problem)

    def value() -> torch.Tensor:
        with torch.no_grad():
            return distances(xs, ys)

    def gradient() -> tuple:
        inputs = [side.detach().requires_grad_() for side in (xs, ys)]
        loss = contrastive(distances(*inputs))
        return loss, torch.autograd.grad(loss, inputs)

    return value if task == "value" else gradient


def sorted_emd(problem: Problem, task: str) -> Call:
    """Mean difference of sorted tensors, a row of pairs at a time so that it stays in the cache."""

    def distances(xs: torch.Tensor, ys: torch.Tensor) -> torch.Tensor:
        xs, ys = xs.sort(1).values, ys.sort(1).values
        return torch.stack([(x - ys).abs().mean(1) for x in xs])

    return call(distances, problem, task)


def bhattacharyya(problem: Problem, task: str) -> Call:
    """As RCL's Eq. 6 has it."""

    def distances(xs: torch.Tensor, ys: torch.Tensor) -> torch.Tensor:
        p, q = xs.var(1)[:, None], ys.var(1)
        apart = (xs.mean(1)[:, None] - ys.mean(1)) ** 2
        return 0.25 * torch.log(0.25 * (p / q + q / p + 2)) + 0.25 * apart / (p + q)

    return call(distances, problem, task)


def dense_mmd2(problem: Problem, task: str, chunk: int) -> Call:
    """Every kernel, `chunk` of them at a time, and the gradient by hand.

    The weights of the pairs are known only when the loss is, so kernels are computed twice, as
    recomputation in autograd would, and without its copies.
    """
    xs, ys = tensors(problem)
    n, m = xs.shape[1], ys.shape[1]
    gain = -1 / problem.width**2

    def value() -> torch.Tensor:
        own = [torch.stack([_kernel_sum(side, side, gain, chunk) for side in s]) for s in (xs, ys)]
        cross = torch.stack([torch.stack([_kernel_sum(x, y, gain, chunk) for y in ys]) for x in xs])
        return own[0][:, None] / n**2 + own[1] / m**2 - 2 * cross / (n * m)

    def gradient() -> tuple:
        with torch.enable_grad():
            distances = value().requires_grad_()
            loss = contrastive(distances)
            (weights,) = torch.autograd.grad(loss, distances)
        along = [torch.zeros_like(xs), torch.zeros_like(ys)]
        for side, total, weight in zip(
            (xs, ys), along, (weights.sum(1), weights.sum(0)), strict=True
        ):
            for samples, row, share in zip(side, total, weight, strict=True):
                factor = 4 * gain * share / samples.numel() ** 2
                row += factor * _slopes(samples, samples, gain, chunk)[0]
        for i, x in enumerate(xs):
            for j, y in enumerate(ys):
                factor = -4 * gain * weights[i, j] / (n * m)
                slopes = _slopes(x, y, gain, chunk)
                along[0][i] += factor * slopes[0]
                along[1][j] += factor * slopes[1]
        return loss, tuple(along)

    return torch.no_grad()(value if task == "value" else gradient)


def _kernel_sum(x: torch.Tensor, y: torch.Tensor, gain: float, chunk: int) -> torch.Tensor:
    total = x.new_zeros((), dtype=torch.float64)
    for part in x.split(max(1, chunk // y.numel())):
        total += (part[:, None] - y).square_().mul_(gain).exp_().sum(dtype=torch.float32)
    return total


def _slopes(
    x: torch.Tensor, y: torch.Tensor, gain: float, chunk: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """For every x and every y the sum over the others of (self - other) times the kernel."""
    along_x, along_y = [], torch.zeros_like(y)
    for part in x.split(max(1, chunk // y.numel())):
        difference = part[:, None] - y
        terms = difference.square().mul_(gain).exp_().mul_(difference)
        along_x.append(terms.sum(1))
        along_y -= terms.sum(0)
    return torch.cat(along_x), along_y


def geomloss_mmd2(problem: Problem, task: str, backend: str) -> Call:
    """Pair by pair; geomloss's loss is half of a squared MMD."""
    from geomloss import SamplesLoss  # pyright: ignore[reportMissingImports]

    loss: Any = SamplesLoss("gaussian", blur=problem.width / math.sqrt(2), backend=backend)

    def distances(xs: torch.Tensor, ys: torch.Tensor) -> torch.Tensor:
        columns = [[side[:, None].contiguous() for side in sides] for sides in (xs, ys)]
        rows = [torch.stack([2 * loss(x, y) for y in columns[1]]) for x in columns[0]]
        return torch.stack(rows)

    return call(distances, problem, task)
