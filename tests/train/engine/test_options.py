"""Options come from presets, a TOML file and the command line, in rising order."""

import dataclasses
from pathlib import Path

import pytest

from jaxnoise.errors import UsageError
from train.engine.options import Options, identity, option, parse, to_toml

pytestmark = pytest.mark.fast


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example(Options):
    """An example."""

    rate: float = option(0.1, "a rate", above=0)
    size: int | None = option(None, "a size")
    kind: str = option("a", "a kind", choices=("a", "b"))


PRESETS = {"cpu": {"steps": 10, "rate": 0.5}, "paper": {"steps": 1000}}


def read(*arguments):
    return parse(Example, arguments, program="example", presets=PRESETS)[0]


def test_order_of_precedence(tmp_path):
    file = tmp_path / "options.toml"
    file.write_text('steps = 20\nbatch-size = 3\nrate = 2\ndata_dir = "there"\n')
    assert (read().steps, read().rate, read().batch_size) == (10, 0.5, Options.batch_size)
    assert (read("--preset", "paper").steps, read("--preset", "paper").rate) == (1000, 0.1)
    from_file = read("--config", str(file))
    assert (from_file.steps, from_file.batch_size, from_file.rate) == (20, 3, 2.0)
    assert from_file.data_dir == Path("there")
    both = read("--config", str(file), "--steps", "30")
    assert (both.steps, both.batch_size) == (30, 3)


def test_a_preset_may_stand_in_the_file(tmp_path):
    file = tmp_path / "options.toml"
    file.write_text('preset = "paper"')
    assert read("--config", str(file)).steps == 1000


def test_what_is_printed_is_read_back(tmp_path):
    options = read("--seed", "4", "--size", "8", "--workdir", 'a "quoted" name', "--debug")
    file = tmp_path / "options.toml"
    file.write_text(to_toml(options))
    assert read("--config", str(file)) == options


def test_places_do_not_belong_to_the_identity():
    one = identity(read("--workdir", "a", "--data-dir", "b", "--debug", "--accelerator", "cpu"))
    assert one == identity(read())
    assert one != identity(read("--seed", "1"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--steps", "0"), "--steps must be at least 1, not 0."),
        (("--steps", "-3"), "--steps must be at least 1, not -3."),
        (("--steps", "many"), "invalid int value"),
        (("--rate", "0"), "--rate must be more than 0"),
        (("--rate", "nan"), "--rate must be a finite number"),
        (("--kind", "c"), "choose from"),
        (("--preset", "huge"), "choose from"),
        (("--batch-size", "0"), "--batch-size must be at least 1"),
        (("--seed", "-1"), "--seed must be at least 0"),
        (("--accelerator", "abacus"), "choose from"),
        (("--step", "3"), "unrecognized arguments: --step 3"),
        (("--config", "missing.toml"), "cannot be read"),
    ],
)
def test_bad_options_are_one_sentence(arguments, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        read(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stepz = 3", "has stepz, which is no option"),
        ('steps = "3"', "steps must be int, not '3'"),
        ("steps = true", "steps must be int"),
        ("kind = 'c'", "--kind c is unknown: choose a, b."),
        ("steps = ", "cannot be read"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, text, sentence):
    file = tmp_path / "options.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=sentence) as caught:
        read("--config", str(file))
    assert "\n" not in str(caught.value)
