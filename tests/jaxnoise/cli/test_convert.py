"""`jaxnoise convert`: from a checkpoint to a model folder that the next command takes."""

import shlex

import jax
import numpy as np
import pytest

from jaxnoise.cli import main
from jaxnoise.interop import denoiser_torch, noise2noiseflow_torch, noise_flow_tf
from jaxnoise.io import load_model
from jaxnoise.models import noise2noiseflow, noiseflow


@pytest.fixture
def checkpoint(bundle, published, tmp_path):
    (tmp_path / "theirs").mkdir()
    tensors = published.random_tensors("sdn5|gain4")
    return bundle.write(tmp_path / "theirs" / "model.ckpt.best", tensors)


@pytest.fixture
def of_torch(torch_file, published_torch, tmp_path):
    """A folder with a training's checkpoint and the denoiser that it started from."""
    folder = tmp_path / "of torch"
    folder.mkdir()
    random_dncnn, sizes = published_torch.random_dncnn, {"features": 3, "depth": 3}
    flow = published_torch.random_flow("sdn|gain")
    state = {**flow, **random_dncnn(prefix="denoiser.", **sizes)}
    torch_file.write(folder / "best_model.pth", {"epoch_num": 3, "state_dict": state})
    torch_file.write(folder / "DnCNN_pretrained.pth", random_dncnn(**sizes))
    return folder


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


@pytest.mark.parametrize("options", [[], ["--from", "noise2noiseflow_torch"]])
def test_a_training_of_noise2noiseflow(capsys, tmp_path, of_torch, options):
    output = tmp_path / "model"
    shown = converted(capsys, of_torch, "--output", output, *options)
    assert f"{of_torch / 'best_model.pth'} (noise2noiseflow_torch)" in shown
    # 25 of the flow; 3 convolutions, a bias, a scale and a shift of the denoiser.
    assert "noise2noiseflow S-G-CAM with dncnn (3 layers, 3 features), 331 parameters" in shown
    assert "cameras: IP, GP, S6, N6, G4" in shown and "ISO: 100, 400, 800, 1600, 3200" in shown
    name, config, variables = load_model(output)
    expected = noise2noiseflow_torch(of_torch)
    assert (name, config) == ("noise2noiseflow", expected[0])
    same = jax.tree.map(lambda a, b: bool((a == b).all()), variables, expected[1])
    assert jax.tree.all(same)


@pytest.mark.parametrize("options", [[], ["--from", "denoiser_torch"]])
def test_a_denoiser(capsys, tmp_path, of_torch, options):
    output, file = tmp_path / "model", of_torch / "DnCNN_pretrained.pth"
    shown = converted(capsys, file, "--output", output, *options)
    assert f"{file} (denoiser_torch)" in shown
    assert "denoiser dncnn (3 layers, 3 features), 306 parameters\nchannels: 4" in shown
    assert "camera" not in shown and "jaxnoise sample" not in shown
    name, config, _ = load_model(output)
    assert (name, config) == ("denoiser", denoiser_torch(file)[0])


def test_a_unet(capsys, torch_file, published_torch, tmp_path):
    file = torch_file.write(tmp_path / "UNet.pth", published_torch.random_unet(features=3))
    shown = converted(capsys, file, "--output", tmp_path / "model")
    assert f"{file} (denoiser_torch)" in shown and "denoiser unet (3 features), " in shown


@pytest.mark.parametrize("file", ["best_model.pth", "DnCNN_pretrained.pth"])
def test_the_commands_for_models_of_torch_work(capsys, tmp_path, of_torch, file):
    shown = converted(capsys, of_torch / file, "--output", tmp_path / "my model")
    commands = [shlex.split(line) for line in shown.splitlines() if "jaxnoise " in line]
    expected = ["sample", "denoise"] if file == "best_model.pth" else ["denoise"]
    assert [command[:2] for command in commands] == [["jaxnoise", name] for name in expected]
    np.savez(tmp_path / "image.npz", image=np.full((6, 8, 4), 0.5, np.float32))
    for command in commands:
        outputs = {place: str(tmp_path / place) for place in ("NOISY", "DENOISED")}
        places = {"IMAGES": str(tmp_path / "image.npz"), **outputs}
        assert main([places.get(word, word) for word in command[1:]]) == 0
        (folder,) = (outputs[word] for word in command if word in outputs)
        assert np.load(f"{folder}/image.npz")["image"].shape == (6, 8, 4)


def test_checkpoints_that_are_not_meant_are_refused(
    capsys, torch_file, tmp_path, checkpoint, of_torch
):
    output = tmp_path / "model"
    both = torch_file.write(checkpoint.parent / "m.pth", {"fc.bias": np.zeros(3, np.float32)})
    shown = refused(capsys, 3, checkpoint.parent, "--output", output)
    assert "holds model.ckpt.best and m.pth: give one of them" in shown
    assert "is of another network: known are" in refused(capsys, 3, both, "--output", output)
    source = ["--from", "noise_flow_tf"]
    assert "reads: known are" in refused(capsys, 3, of_torch, "--output", output, *source)
    source = ["--from", "denoiser_torch"]
    assert "lacks dncnn.0.weight" in refused(capsys, 3, of_torch, "--output", output, *source)
    converted(capsys, checkpoint.parent, "--output", output, "--from", "noise_flow_tf")


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
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert "no checkpoint that jaxnoise reads" in refused(capsys, 3, weights, "--output", output)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"PK\x03\x04")
    assert "no intact file of PyTorch" in refused(capsys, 3, weights, "--output", output)
    assert "reads: known are" in refused(capsys, 3, tmp_path / "gone.pth", "--output", output)
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


def test_the_published_checkpoints_of_torch(capsys, tmp_path, real_images):
    folder = real_images / "reference" / "checkpoints" / "noise2noiseflow_torch"
    if not folder.is_dir():
        pytest.skip("JAXNOISE_DATA holds no reference/checkpoints/noise2noiseflow_torch")
    shown = converted(capsys, folder, "--output", tmp_path / "both")
    summary = "noise2noiseflow S-Ax4-G-Ax4-CAM with dncnn (9 layers, 64 features), 266,177 param"
    assert f"{folder / 'best_model.pth'} (noise2noiseflow_torch)" in shown and summary in shown
    assert noise2noiseflow.parameter_count(load_model(tmp_path / "both").variables) == 266_177
    file = folder / "DnCNN_pretrained.pth"
    shown = converted(capsys, file, "--output", tmp_path / "denoiser")
    assert "denoiser dncnn (9 layers, 64 features), 263,616 parameters" in shown


def test_a_wrong_checkpoint_is_told_before_an_output_that_exists(capsys, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    said = refused(capsys, 3, tmp_path / "out/notes.txt", "--output", tmp_path / "out")
    assert "is no checkpoint that jaxnoise reads" in said
