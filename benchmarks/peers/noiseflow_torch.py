"""Noise Flow in plain PyTorch, the network `benchmarks/noiseflow_speed.py` compares with.

The architecture S-Ax4-G-Ax4-CAM in its reference parameterisation (NCHW), as one would write it in
PyTorch: one module per layer, library convolutions and batch norm. Latent to noise is `sample`,
noise to latent is `forward`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_FACTOR_SPEED = 3.0
BATCH_NORM_EPSILON = 1e-4


class SignalAndGain(nn.Module):
    """The scale sqrt(beta1 clean / gain + beta2), with exponents scaled per camera."""

    def __init__(self, cameras: int, isos: int):
        """Start at the published initial values."""
        super().__init__()
        self.b1 = nn.Parameter(torch.tensor(-5.0))
        self.b2 = nn.Parameter(torch.tensor(0.0))
        self.v = nn.Parameter(torch.full((isos,), -5.0))
        self.camera = nn.Parameter(torch.ones(3, cameras))

    def scale(self, clean: Tensor, camera: Tensor, iso: Tensor, iso_index: Tensor) -> Tensor:
        """Scale of each pixel, shape of `clean`; `iso` is the ISO number, `iso_index` its place."""
        on_b1, on_b2, on_v = self.camera.exp()[:, camera]
        beta1 = torch.exp(self.b1 * on_b1).view(-1, 1, 1, 1)
        beta2 = torch.exp(self.b2 * on_b2).view(-1, 1, 1, 1)
        gain = (torch.exp(self.v[iso_index] * on_v) * iso).view(-1, 1, 1, 1)
        return torch.sqrt(beta1 * clean / gain + beta2)


class Conv1x1(nn.Module):
    """Channel mixing by a matrix kept as permutation, lower and upper triangle."""

    def __init__(self, channels: int):
        """Start at a random rotation."""
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", upper.diagonal().sign())
        self.register_buffer("identity", torch.eye(channels))
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(upper.diagonal().abs().log())

    def matrix(self) -> Tensor:
        """The mixing matrix, [in, out]."""
        lower = self.lower.tril(-1) + self.identity
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.permutation @ lower @ upper

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Noise to latent and its log-determinant, a scalar."""
        weight = self.matrix().T[:, :, None, None]
        return functional.conv2d(x, weight), self.log_diagonal.sum() * x.shape[2] * x.shape[3]

    def sample(self, z: Tensor) -> Tensor:
        """Latent to noise."""
        return functional.conv2d(z, torch.linalg.inv(self.matrix()).T[:, :, None, None])


class Coupling(nn.Module):
    """Affine coupling: half of the channels give shift and scale of the other half."""

    def __init__(self, channels: int, width: int, batch_norm: bool):
        """Start at the identity."""
        super().__init__()
        self.kept = channels // 2
        changed = channels - self.kept
        options = {"eps": BATCH_NORM_EPSILON, "affine": False}
        self.first = nn.Conv2d(self.kept, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 1)
        self.first_norm = nn.BatchNorm2d(width, **options) if batch_norm else nn.Identity()
        self.second_norm = nn.BatchNorm2d(width, **options) if batch_norm else nn.Identity()
        # One input channel more: 1 on the ring of padding, 0 inside.
        self.last = nn.Conv2d(width + 1, 2 * changed, 3)
        self.log_factor = nn.Parameter(torch.zeros(2 * changed))
        self.rescale = nn.Parameter(torch.tensor(1e-4))
        for layer in (self.first, self.second):
            nn.init.normal_(layer.weight, std=0.05 * width / 512)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def shift_and_log_scale(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """What the changed channels are shifted and scaled by."""
        hidden = functional.relu(self.first_norm(self.first(kept)))
        hidden = functional.relu(self.second_norm(self.second(hidden)))
        hidden = functional.pad(hidden, (1, 1, 1, 1))
        ring = hidden.new_ones(1, 1, *hidden.shape[2:])
        ring[:, :, 1:-1, 1:-1] = 0
        hidden = torch.cat([hidden, ring.expand(len(hidden), -1, -1, -1)], 1)
        out = self.last(hidden)
        out = out * torch.exp(LOG_FACTOR_SPEED * self.log_factor).view(1, -1, 1, 1)
        shift, raw = out.chunk(2, 1)
        return shift, self.rescale * torch.tanh(raw)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Noise to latent and its log-determinant, shape (N,)."""
        kept, changed = x[:, : self.kept], x[:, self.kept :]
        shift, log_scale = self.shift_and_log_scale(kept)
        changed = changed * torch.exp(log_scale) + shift
        return torch.cat([kept, changed], 1), log_scale.sum((1, 2, 3))

    def sample(self, z: Tensor) -> Tensor:
        """Latent to noise."""
        kept, changed = z[:, : self.kept], z[:, self.kept :]
        shift, log_scale = self.shift_and_log_scale(kept)
        return torch.cat([kept, (changed - shift) * torch.exp(-log_scale)], 1)


class NoiseFlow(nn.Module):
    """S-Ax4-G-Ax4-CAM over packed raw noise, shape (N, C, H, W)."""

    def __init__(
        self,
        *,
        channels: int = 4,
        cameras: int = 5,
        isos: int = 5,
        width: int = 4,
        steps: int = 4,
        batch_norm: bool = True,
    ):
        """Build the layers, noise to latent."""
        super().__init__()
        self.signal = SignalAndGain(cameras, isos)
        self.gain_val = nn.Parameter(torch.tensor(1.0))
        pairs = [
            (Conv1x1(channels), Coupling(channels, width, batch_norm)) for _ in range(2 * steps)
        ]
        self.before_gain = nn.ModuleList([layer for pair in pairs[:steps] for layer in pair])
        self.after_gain = nn.ModuleList([layer for pair in pairs[steps:] for layer in pair])

    def forward(
        self, noise: Tensor, clean: Tensor, camera: Tensor, iso: Tensor, iso_index: Tensor
    ) -> Tensor:
        """Negative log-likelihood of each image, shape (N,), nats."""
        scale = self.signal.scale(clean, camera, iso, iso_index)
        z = noise / scale
        log_det = -scale.log().sum((1, 2, 3))
        for layer in self.before_gain:
            z, change = layer(z)
            log_det = log_det + change
        z = z / self.gain_val
        log_det = log_det - z[0].numel() * self.gain_val.log()
        for layer in self.after_gain:
            z, change = layer(z)
            log_det = log_det + change
        log_prob = -0.5 * (z.square() + math.log(2 * math.pi)).sum((1, 2, 3))
        return -(log_prob + log_det)

    @torch.no_grad()
    def sample(self, clean: Tensor, camera: Tensor, iso: Tensor, iso_index: Tensor) -> Tensor:
        """One draw of noise for each clean image, shape of `clean`."""
        z = torch.randn_like(clean)
        for layer in reversed(self.after_gain):
            z = layer.sample(z)
        z = z * self.gain_val
        for layer in reversed(self.before_gain):
            z = layer.sample(z)
        return z * self.signal.scale(clean, camera, iso, iso_index)
