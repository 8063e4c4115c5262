"""`jaxnoise convert`: from a checkpoint to a model folder that the next command takes."""

import shlex

import jax
import numpy as np
import pytest

from jaxnoise.cli import main
from jaxnoise.interop import noise_flow_tf
from jaxnoise.io import load_model
from jaxnoise.models import noiseflow


@pytest.fixture
def checkpoint(bundle, published, tmp_path):
    (tmp_path / "theirs").mkdir()
    tensors = published.random_tensors("sdn5|gain4")
    return bundle.write(tmp_path / "theirs" / "model.ckpt.best", tensors)


def converted(capsys, *arguments):
    """What was printed."""
    assert main(["convert", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, code, *arguments):
    """The sentence on standard error."""
    assert main(["convert", *map(str, arguments)]) == code
    shown = capsys.readouterr()
    assert shown.err.startswith("jaxnoise: ") and shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize("options", [[], ["--from", "noise_flow_tf"]])
def test_the_folder_holds_the_model(capsys, tmp_path, checkpoint, options):
    output = tmp_path / "new" / "model"
    shown = converted(capsys, checkpoint.parent, "--output", output, *options)
    assert f"{checkpoint} (noise_flow_tf)" in shown
    assert "noiseflow S-G-CAM, 25 parameters" in shown
    assert "cameras: IP, GP, S6, N6, G4" in shown and "ISO: 100, 400, 800, 1600, 3200" in shown
    name, config, variables = load_model(output)
    expected = noise_flow_tf(checkpoint)
    assert (name, config) == ("noiseflow", expected[0])
    same = jax.tree.map(lambda a, b: bool((a == b).all()), variables, expected[1])
    assert jax.tree.all(same)


def test_the_command_that_it_prints_works(capsys, tmp_path, checkpoint):
    shown = converted(capsys, checkpoint, "--output", tmp_path / "my model")
    command = shlex.split(shown.splitlines()[-1])
    assert command[:2] == ["jaxnoise", "sample"]
    np.savez(tmp_path / "clean.npz", image=np.full((6, 8, 4), 0.5, np.float32))
    places = {"IMAGES": str(tmp_path / "clean.npz"), "NOISY": str(tmp_path / "noisy")}
    assert main([places.get(word, word) for word in command[1:]]) == 0
    noisy = np.load(tmp_path / "noisy" / "clean.npz")["image"]
    assert noisy.shape == (6, 8, 4) and noisy.std() > 0


def test_nothing_is_overwritten_without_force(capsys, tmp_path, checkpoint):
    output = tmp_path / "model"
    converted(capsys, checkpoint, "--output", output)
    before = (output / "model.safetensors").read_bytes()
    assert "is not empty" in refused(capsys, 2, checkpoint, "--output", output)
    assert (output / "model.safetensors").read_bytes() == before
    converted(capsys, checkpoint, "--output", output, "--force")
    (output / "thesis.txt").write_text("precious")
    assert "holds something else" in refused(capsys, 2, checkpoint, "--output", output, "--force")
    assert (output / "thesis.txt").read_text() == "precious"
    (tmp_path / "file").write_text("precious")
    assert "is a file" in refused(capsys, 2, checkpoint, "--output", tmp_path / "file", "--force")


def test_the_checkpoint_is_not_replaced_by_the_model(capsys, checkpoint):
    before = {path: path.read_bytes() for path in checkpoint.parent.iterdir()}
    folder = checkpoint.parent
    refused(capsys, 2, folder, "--output", folder)
    refused(capsys, 2, folder, "--output", folder, "--force")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_is_no_checkpoint_is_refused(capsys, tmp_path, checkpoint):
    output = tmp_path / "model"
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"PK\x03\x04")
    assert "no checkpoint that jaxnoise reads" in refused(capsys, 3, weights, "--output", output)
    gone = tmp_path / "gone" / "model.ckpt"
    assert "does not exist" in refused(capsys, 3, gone, "--output", output)
    index = checkpoint.with_name("model.ckpt.best.index")
    index.write_bytes(index.read_bytes()[:-1])
    assert "copy the checkpoint again" in refused(capsys, 3, checkpoint, "--output", output)
    assert not output.exists()


def test_the_published_checkpoint(capsys, tmp_path, real_images):
    folder = real_images / "reference" / "checkpoints" / "noiseflow_tf"
    if not folder.is_dir():
        pytest.skip("JAXNOISE_DATA holds no reference/checkpoints/noiseflow_tf")
    shown = converted(capsys, folder, "--output", tmp_path / "model")
    assert "noiseflow S-Ax4-G-Ax4-CAM, 2,433 parameters" in shown
    assert noiseflow.parameter_count(load_model(tmp_path / "model").variables) == 2433
