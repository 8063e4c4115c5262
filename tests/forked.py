"""Programs in processes that have nothing left to import, which is most of a short run's time."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

# JAX may be imported before a fork as long as it has looked for no device.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["train.engine.run", "train.noiseflow.system", "train.noise2noiseflow.system"]
)


class Forked:
    """A module that runs as `python -m` would have it, with the methods of `subprocess.Popen`.

    Its end is quicker than that of Python, which waits for threads: where that matters, and where
    imports do, start Python.

    Args:
        module: its name.
        arguments: the command line.
        said: file for what it writes to standard error; standard output goes nowhere.
        folder: where it may import from besides.
        environment: variables, by default as they were when the first of these began.
    """

    def __init__(
        self,
        module: str,
        arguments: list[str],
        *,
        said: Path,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ):
        given = (module, arguments, str(said), str(folder), dict(environment or {}))
        self._process = _CONTEXT.Process(target=_run, args=given, daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        code = self._process.exitcode
        assert code is not None
        return code

    def kill(self) -> None:
        self._process.kill()


def _run(
    module: str, arguments: list[str], said: str, folder: str, environment: dict[str, str]
) -> None:
    os.environ.update(environment)
    for path, descriptor in ((os.devnull, 1), (said, 2)):
        with open(path, "w") as file:
            os.dup2(file.fileno(), descriptor)
    sys.path.insert(0, folder)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
