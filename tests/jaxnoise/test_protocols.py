"""Every model fulfils the protocols of its kind, with the arguments that they state."""

import importlib
import inspect

import pytest

from jaxnoise import abilities, image_protocols, models, protocols
from jaxnoise.errors import UsageError

pytestmark = pytest.mark.fast

SIMPLE = {"Fitted", "Sampler"}
FULFILS = {
    "models.cono": {"TrainedSigmaSampler", "TrainedModel", "SigmaSampler", "SigmaImageSampler"},
    "models.rcl": {"TrainedRestorer", "TrainedModel", "Restorer"},
    "models.noiseflow": {
        "TrainedDensity",
        "TrainedModel",
        "Density",
        "Sampler",
        "ImageSampler",
        "DataStarted",
        "Described",
        "CountsCells",
    },
    "models.denoiser": {
        "Backbone",
        "TrainedDenoiser",
        "TrainedModel",
        "Denoiser",
        "ImageDenoiser",
    },
    "models.noise2noiseflow": {
        "TrainedModel",
        "Density",
        "Sampler",
        "ImageSampler",
        "Denoiser",
        "ImageDenoiser",
    },
    "noise.awgn": {*SIMPLE, "Density"},
    "noise.nlf": {*SIMPLE, "Density"},
    "noise.autoregressive": {*SIMPLE, "Density"},
    "noise.poisson": SIMPLE,
    "noise.poisson_gaussian": SIMPLE,
}
PROTOCOLS = {
    name: thing
    for name, thing in {**vars(protocols), **vars(image_protocols)}.items()
    if inspect.isclass(thing) and getattr(thing, "_is_protocol", False) and name != "Protocol"
}


def test_every_model_is_listed():
    listed = {name.removeprefix("models.") for name in FULFILS if name.startswith("models.")}
    assert listed == set(models.names())


@pytest.mark.parametrize("name", FULFILS)
def test_what_a_model_can_do(name):
    module = importlib.import_module(f"jaxnoise.{name}")
    found = {key for key, protocol in PROTOCOLS.items() if isinstance(module, protocol)}
    assert found == FULFILS[name]


@pytest.mark.parametrize("name", FULFILS)
def test_arguments_are_those_of_the_protocol(name):
    module = importlib.import_module(f"jaxnoise.{name}")
    for key in FULFILS[name]:
        for function, stated in inspect.getmembers(PROTOCOLS[key], inspect.isfunction):
            if function.startswith("_"):
                continue
            own = inspect.signature(getattr(module, function)).parameters
            passes_on = any(one.kind is one.VAR_KEYWORD for one in own.values())
            for parameter in list(inspect.signature(stated).parameters.values())[1:]:
                if parameter.kind is parameter.KEYWORD_ONLY and passes_on:
                    continue
                assert parameter.name in own, (function, parameter.name)
                assert own[parameter.name].kind is parameter.kind
            positional = [
                [one.name for one in parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
                for parameters in (inspect.signature(stated).parameters, own)
            ]
            assert positional[0][1:] == positional[1], function


def test_what_a_model_lacks_is_said():
    assert models.require("noiseflow", protocols.Density) is models.get("noiseflow")
    with pytest.raises(UsageError) as error:
        models.require("denoiser", protocols.Sampler, holder="--noise x holds")
    assert str(error.value) == (
        "--noise x holds a denoiser, which makes no noise by camera and ISO number: give a "
        "noise2noiseflow or noiseflow model."
    )


@pytest.mark.parametrize("ability", abilities.ABILITIES, ids=lambda one: one.protocol.__name__)
def test_every_ability_is_some_model_s(ability):
    assert PROTOCOLS[ability.protocol.__name__] is ability.protocol
    assert any(isinstance(models.get(name), ability.protocol) for name in models.names())
    assert abilities.what_it_lacks(ability.protocol) == ability.lacks
