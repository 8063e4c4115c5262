"""The benchmark of convolutions: layers by their text, and that all methods compute the same."""

import argparse

import jax
import numpy as np
import pytest
from scipy.signal import correlate2d

from benchmarks import convolutions
from benchmarks.harness import convolution_calls as own
from benchmarks.harness.convolution_layers import LAYERS, Layer

SMALL = ("2x6x4x3x5", "2x8x4x3x5k4s2", "2x4x3x3x5t2", "2x4x3x3x5k4t2")


def oracle(layer, images, kernel):
    """The convolution with the pixels spread, zeros around, and every `stride`-th outcome kept."""
    before, behind = layer.padding
    found = np.zeros(layer.output)
    for n, d, c in np.ndindex(layer.batch, layer.features, layer.channels):
        spread = np.zeros([(side - 1) * layer.spread + 1 for side in images.shape[1:3]])
        spread[:: layer.spread, :: layer.spread] = images[n, :, :, c]
        padded = np.pad(spread, (before, behind))
        whole = correlate2d(padded, kernel[:, :, c, d], "valid")
        found[n, :, :, d] += whole[:: layer.stride, :: layer.stride]
    return found


@pytest.mark.fast
def test_a_layers_text_says_all_of_it():
    texts = [text for layers in LAYERS.values() for text in layers] + list(SMALL)
    assert [str(Layer.parse(text)) for text in texts] == texts
    assert Layer.parse("2x8x4x3x5k4s2").output == (2, 4, 2, 5)
    assert Layer.parse("2x4x3x3x5t2").output == (2, 8, 6, 5)
    # Each of 2 * 8 * 6 pixels meets 9 / 4 taps on average.
    assert Layer.parse("2x4x3x3x5t2").operations == 2 * 2 * 12 * 9 * 3 * 5
    with pytest.raises(ValueError, match="write one like"):
        Layer.parse("2x8x4x3")


@pytest.mark.fast
def test_layers_are_chosen_by_network_or_text():
    assert [str(it) for it in convolutions.chosen(["U-Net"])] == list(LAYERS["U-Net"])
    assert len(convolutions.chosen(None)) == len({text for it in LAYERS.values() for text in it})


@pytest.mark.parametrize("text", SMALL)
def test_every_method_computes_the_layer(text):
    layer = Layer.parse(text)
    images, kernel, change = own.arrays(layer)
    truth = oracle(layer, images.astype(float), kernel.astype(float))
    for forward in (own.library(layer), own.ours(layer)):
        calls = own.calls(layer, forward, 1)
        np.testing.assert_allclose(calls["forward"].call(), truth, atol=1e-4)
        both = calls["backward"].call()
        for task, one in zip(("to images", "to kernel"), both, strict=True):
            np.testing.assert_allclose(calls[task].call(), one, atol=1e-4)
        # Linear in the kernel: its gradient times the kernel is the change times the outcome.
        assert np.vdot(both[1], kernel) == pytest.approx(np.vdot(truth, change), rel=1e-3, abs=1e-2)
        assert np.vdot(both[0], images) == pytest.approx(np.vdot(truth, change), rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("text", SMALL)
def test_the_peer_computes_the_same(text):
    pytest.importorskip("torch")
    from benchmarks.peers import convolution_torch as peer

    layer = Layer.parse(text)
    theirs = peer.calls(layer, *own.arrays(layer))
    truth = own.calls(layer, own.library(layer), 1)
    found = convolutions.apart(truth, lambda task: peer.as_arrays(layer, task, theirs[task]()))
    assert max(found.values()) < 1e-5


def test_what_differs_is_not_timed():
    layer = Layer.parse(SMALL[0])
    truth = own.calls(layer, own.library(layer), 1)
    with pytest.raises(SystemExit, match="do not compute the same"):
        convolutions.apart(
            truth, lambda task: jax.tree.map(lambda it: 1.1 * it, truth[task].call())
        )


def test_a_small_measurement_is_a_complete_row():
    options = argparse.Namespace(devices=1, threads=[1], peer=False, rounds=2, tries=1)
    options.tasks = ["forward", "backward"]
    found = convolutions.work(options, Layer.parse(SMALL[0]))
    assert [row["what"] for row in found["rows"]] == options.tasks
    for row in found["rows"]:
        assert set(row["milliseconds"]) == {"xla", "ours"} and set(row["speed_over"]) == {"xla"}
        low, high = row["range"]["ours"]
        assert 0 < low <= row["milliseconds"]["ours"] <= high
        assert row["difference"]["ours"] < 1e-5 and row["programs"]["xla"]["by"]
        assert "XLA" not in convolutions.line({"layer": SMALL[0], "cores": 1, "path": "d", **row})
