"""Devices that share a batch wait for each other outside of loops only.

XLA does not order what devices do together in a loop's body against what they do together outside
of it. On CPUs, with as many threads as devices, two devices that come to the two in different order
wait for each other for ever, now and then.
"""

import subprocess
import sys

import pytest

from tests.processes import environment

PROGRAM = """
import sys, jax, jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxnoise.models import cono, denoiser, noise2noiseflow, noiseflow, rcl

what = sys.argv[1]
mesh = Mesh(jax.devices(), ("data",))
split = NamedSharding(mesh, PartitionSpec("data"))
images = jax.ShapeDtypeStruct((4, 32, 32, 4), jnp.float32, sharding=split)
camera = jax.ShapeDtypeStruct((4,), jnp.int32, sharding=split)
iso = jax.ShapeDtypeStruct((4,), jnp.float32, sharding=split)
nets = {
    "few features": denoiser.Config(features=6, depth=3),
    "many features": denoiser.Config(features=48, depth=4),
    "unet": denoiser.Config(net="unet", features=6),
}
key = jax.random.key(0)
if what in nets:
    variables = denoiser.init(key, nets[what])

    def loss(params, noisy, other, camera, iso):
        own = {**variables, "params": params}
        estimate, updated = denoiser.denoise_and_update(own, nets[what], noisy)
        return ((estimate - other) ** 2).sum(), updated

    params = variables["params"]
elif what == "restore":
    config = rcl.Config(task="jdd", denoiser=nets["many features"])
    variables = rcl.init(key, config)

    def loss(params, noisy, other, camera, iso):
        own = {**variables, "params": params}
        estimate, updated = rcl.restore_and_update(own, config, noisy)
        return rcl.raw_consistency(other, estimate, key=key), updated

    params = variables["params"]
elif what.startswith("rcl"):
    distance = what.split()[1]
    config = nets["few features"]
    variables = denoiser.init(key, config)

    def loss(params, first, second, camera, iso):
        own = {**variables, "params": params}
        found = []
        for noisy in (first, second):
            estimate, own = denoiser.denoise_and_update(own, config, noisy)
            found.append(noisy - estimate)
        negatives = camera[:, None] != camera
        options = {"distance": distance, "negatives": negatives}
        tied = abs(found[0]).mean()
        return rcl.objective(*found, consistency=tied, **options).total, own

    params = variables["params"]
elif what.startswith("cono"):
    _, bandwidth, scope = what.split()
    config = cono.Config(blocks=2)
    variables = cono.init(key, config)

    def loss(params, clean, other, camera, iso):
        own, sigma = {**variables, "params": params}, jnp.full(clean.shape[:1], 0.1)
        first, own = cono.sample_and_update(key, own, config, clean, sigma)
        second, own = cono.sample_and_update(key, own, config, other, sigma)
        bins = {"scope": scope, "clean": (clean, other) if scope == "batch" else None}
        terms = cono.objective(first, second, sigma, sigma, bandwidth=bandwidth, **bins)
        return terms.total, own

    params = variables["params"]
else:
    arch, normalisation = what.split()
    flow = noiseflow.Config(
        arch=arch, cameras=("a", "b"), isos=(100, 400), normalisation=normalisation
    )
    config = noise2noiseflow.Config(noise_model=flow, denoiser=nets["many features"])
    variables = noise2noiseflow.init(key, config)

    def loss(params, *batch):
        own = {part: {**variables[part], "params": params[part]} for part in params}
        terms, updated = noise2noiseflow.joint_loss(own, config, *batch)
        return terms.total, updated

    params = {part: own["params"] for part, own in variables.items()}
gradient = jax.jit(jax.grad(loss, has_aux=True))
text = gradient.lower(params, images, images, camera, iso).compile().as_text()
words = ("all-reduce(", "all-gather(", "all-to-all(", "collective-permute(")
parts = [part.lstrip() for part in text.split("\\n\\n")]
shared = [part for part in parts if any(f" {word}" in part for word in words)]
print(len(shared), sum(not part.startswith("ENTRY") for part in shared))
"""


@pytest.mark.parametrize(
    "what",
    [
        "few features",
        "many features",
        "unet",
        "N-W-K3 none",
        "S-Ax1-G-CAM batch",
        "cono sigma patch",
        "cono median batch",
        "restore",
        "rcl emd",
        "rcl bhattacharyya",
        "rcl mmd",
    ],
)
def test_no_loop_holds_what_devices_do_together(what):
    command = [sys.executable, "-c", PROGRAM, what]
    told = subprocess.run(
        command, env=environment(devices=2), check=True, capture_output=True, text=True
    )
    assert told.stdout.split() == ["1", "0"]
