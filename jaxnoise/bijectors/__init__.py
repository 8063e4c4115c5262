"""Invertible layers over images (H, W, C): `distrax.Bijector`s, forward from latent to noise."""

from jaxnoise.bijectors.actnorm import ActNorm
from jaxnoise.bijectors.causal_conv import CausalConv
from jaxnoise.bijectors.conv1x1 import Conv1x1
from jaxnoise.bijectors.coupling import AffineCoupling
from jaxnoise.bijectors.gain import Gain
from jaxnoise.bijectors.noise_curve import NoiseCurve
from jaxnoise.bijectors.signal_dependent import SignalDependent
from jaxnoise.bijectors.squeeze import Squeeze
from jaxnoise.bijectors.student_t import StudentT

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "CausalConv",
    "Conv1x1",
    "Gain",
    "NoiseCurve",
    "SignalDependent",
    "Squeeze",
    "StudentT",
]
