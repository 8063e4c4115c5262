"""The training loop that all systems share: restore, step, report, evaluate, save."""

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from train.checkpoint import Checkpoints
from train.devices import replicate, shard
from train.errors import Diverged
from train.schedule import Schedule
from train.signals import StopSignals
from train.writer import Metrics, Progress


@dataclass(frozen=True)
class Task:
    """What a system tells the loop about itself.

    Attributes:
        title: short name for the progress line.
        state: the initial state, a pytree of arrays.
        batch: from a step's number to its batch, a pytree of numpy arrays with the examples on the
            first axis; a pure function.
        step: from (state, batch, key) to (state, metrics), a pure function that can be jitted.
            Metrics are scalars by name; one that is not finite means that the step must not count.
        evaluate: from a state to (score, values): the score decides which state is kept, less
            being better; the values go to metrics.jsonl, and a sentence under "warning" among them
            is told to the user as well.
        keep: from a state to what is exported of it, a pytree of arrays.
        shown: the metric that the progress line shows.
    """

    title: str
    state: Any
    batch: Callable[[int], Any]
    step: Callable[[Any, Any, jax.Array], tuple[Any, Mapping[str, jax.Array]]]
    evaluate: Callable[[Any], tuple[float, Mapping[str, Any]]]
    keep: Callable[[Any], Any]
    shown: str = "nll"


@dataclass(frozen=True)
class Fitted:
    """What a finished training hands back.

    Attributes:
        best: what `Task.keep` took from the state with the best score; numpy arrays.
        score: that score.
        step: the step at which it was reached.
        skipped: how many steps were skipped for not being finite.
    """

    best: Any
    score: float
    step: int
    skipped: int


def start_training(state: Any) -> dict[str, Any]:
    """What the loop carries from step to step, before the first one.

    Args:
        state: as in `Task`.

    Returns:
        The "state" and four counts: "step"; "skipped", the non-finite steps; "in_a_row", how many
        of them came last without a finite one between; "longest", the largest that has been, since
        the host does not look at every step.
    """
    counts = dict.fromkeys(("step", "skipped", "in_a_row", "longest"), np.int32(0))
    return jax.tree.map(np.asarray, {"state": state, **counts})


def guarded_step(step: Callable) -> Callable:
    """A step that leaves the state alone when its metrics are not finite, and counts it.

    Args:
        step: as in `Task`.

    Returns:
        A function from (training, batch, seed) to (training, metrics), with `training` from
        `start_training`; the metrics gain "skipped" and "longest". The decision is one for the
        whole state and for all devices.
    """

    def guarded(training: dict[str, Any], batch: Any, seed: jax.Array) -> tuple[dict, dict]:
        key = jax.random.fold_in(jax.random.key(seed), training["step"])
        state, metrics = step(training["state"], batch, key)
        good = jnp.stack([jnp.all(jnp.isfinite(value)) for value in metrics.values()]).all()
        in_a_row = jnp.where(good, 0, training["in_a_row"] + 1)
        training = {
            "state": jax.tree.map(partial(jnp.where, good), state, training["state"]),
            "step": training["step"] + 1,
            "skipped": training["skipped"] + jnp.where(good, 0, 1),
            "in_a_row": in_a_row,
            "longest": jnp.maximum(training["longest"], in_a_row),
        }
        counts = {"skipped": training["skipped"], "longest": training["longest"]}
        return training, {**metrics, **counts}

    return guarded


def several_steps(step: Callable) -> Callable:
    """A guarded step for a stack of batches, one after the other.

    Args:
        step: from `guarded_step`.

    Returns:
        A function from (training, batches, seed) to (training, metrics): the batches have one more
        axis in front, and so have the metrics.
    """

    def run(training: dict[str, Any], batches: Any, seed: jax.Array) -> tuple[dict, dict]:
        return jax.lax.scan(lambda carry, batch: step(carry, batch, seed), training, batches)

    return run


def fit(
    task: Task,
    schedule: Schedule,
    *,
    workdir: Path,
    seed: int,
    mesh: Mesh,
    stop: StopSignals | None = None,
) -> Fitted:
    """Trains until the last step, from the newest checkpoint of the workdir if it has one.

    A run that is stopped and started again gives the same checkpoints, rows and result as one that
    is not, bit for bit: everything that changes is in the checkpoint, and batch and randomness are
    functions of the seed and the step's number.

    Args:
        task: the system to train.
        schedule: how long and how often.
        workdir: holds `metrics.jsonl` and `checkpoints/`.
        seed: of the randomness handed to the step.
        mesh: from `train.devices.start_jax`.
        stop: signals that may ask to stop.

    Returns:
        The best state's export and its score.

    Raises:
        Diverged: too many non-finite steps in a row, or no finite one at all; the last good state
            is saved, and a run that goes on from it diverges at once.
        NoCheckpoint: the run must be resumed and no checkpoint is usable.
        Stopped: SIGTERM came; the state is saved.
    """
    return _Run(task, schedule, workdir, seed, mesh, stop or StopSignals()).train()


class _Run:
    """One call of `fit`: what it reads and writes around the pure step."""

    def __init__(self, task, schedule, workdir, seed, mesh, stop):
        self.task, self.schedule, self.mesh, self.stop = task, schedule, mesh, stop
        self.seed = replicate(mesh, np.uint32(seed))
        self.first_process = jax.process_index() == 0
        workdir.mkdir(parents=True, exist_ok=True)
        training = start_training(task.state)
        self.progress = Progress(task.title, steps=schedule.steps, shown=self.first_process)
        self.best = {
            "kept": jax.tree.map(np.array, task.keep(task.state)),
            "score": np.float64(math.inf),
            "step": np.int64(0),
        }
        self.checkpoints = Checkpoints(workdir / "checkpoints", report=self.progress.say)
        restored = self.checkpoints.restore({"training": training, "best": self.best})
        self.done, self.calls, self.fresh = 0, 0, restored is None
        if restored is not None:
            self.done, tree = restored
            training, self.best = tree["training"], tree["best"]
        self._count(training)
        self.training = replicate(mesh, training)
        self.metrics = Metrics(
            workdir / "metrics.jsonl" if self.first_process else None,
            step=-1 if self.fresh else self.done,
        )
        self.start = time.monotonic()

    def train(self) -> Fitted:
        step = guarded_step(self.task.step)
        one = jax.jit(step, donate_argnums=0)
        several = jax.jit(several_steps(step), donate_argnums=0)
        try:
            self._raise_if_diverged()
            if 0 < self.done < self.schedule.steps:
                self.progress.say(
                    f"{self.task.title}: goes on from step {self.done} of {self.schedule.steps}."
                )
            self.progress.start(self.done)
            with ThreadPoolExecutor(1) as ahead, self.stop.held():
                if self.fresh:
                    self._evaluate()  # what training starts from may be hard to beat
                # The batch of the next step is made while the devices work on this one.
                following = ahead.submit(self._batch, self.done)
                while self.done < self.schedule.steps:
                    count = self.schedule.steps_from(self.done)
                    batch = following.result()
                    following = ahead.submit(self._batch, self.done + count)
                    run = one if count == 1 else several
                    self.training, metrics = run(self.training, batch, self.seed)
                    self.done += count
                    self.calls += 1
                    self._after_steps(count, metrics)
        finally:
            self.metrics.close()
            self.progress.close()
            self.checkpoints.close()
        best = self.best
        return Fitted(best["kept"], float(best["score"]), int(best["step"]), self.skipped)

    def _batch(self, step: int) -> Any:
        count = self.schedule.steps_from(step)
        if count == 1:
            return shard(self.mesh, self.task.batch(step))
        batches = [self.task.batch(step + place) for place in range(count)]
        return shard(self.mesh, jax.tree.map(lambda *leaves: np.stack(leaves), *batches), axis=1)

    def _after_steps(self, count: int, metrics: Mapping[str, jax.Array]) -> None:
        schedule, last = self.schedule, self.done == self.schedule.steps
        evaluate, save = (
            last or self.done % every == 0
            for every in (schedule.evaluate_every, schedule.save_every)
        )
        taken = range(self.done - count + 1, self.done + 1)
        reported = [
            step for step in taken if step % schedule.report_every == 0 or step == schedule.steps
        ]
        stop = self._stop_requested()
        if not (reported or evaluate or save or stop):
            return  # reading the metrics would make the host wait for the devices
        rows = {name: np.atleast_1d(np.asarray(value)) for name, value in metrics.items()}
        for step, place in zip(taken, range(count), strict=True):
            values = {name: float(row[place]) for name, row in rows.items()}
            self._count(values)
            del values["longest"]
            if step in reported:
                self.metrics.write(step, {**values, "skipped": self.skipped}, self._times())
        name = self.task.shown
        shown = {name: values[name], "best validation": float(self.best["score"])}
        self.progress.update(self.done, shown)
        diverged = self._divergence() is not None
        if evaluate or diverged:
            self._evaluate()
        if save or diverged or stop:
            self._save()
        self._raise_if_diverged()
        if stop and not last:
            self.stop.stop(
                f"stopped at step {self.done} of {schedule.steps}, which is saved: "
                "the same command goes on from there."
            )

    def _count(self, counts: Mapping[str, Any]) -> None:
        self.skipped, self.longest = int(counts["skipped"]), int(counts["longest"])

    def _divergence(self) -> str | None:
        """Which steps were too many to go on from or to call the run finished, or None."""
        if self.longest >= self.schedule.bad_steps:
            return f"{self.longest} steps in a row"
        if self.done >= self.schedule.steps and 0 < self.done == self.skipped:
            return f"all {self.skipped} steps"
        return None

    def _raise_if_diverged(self) -> None:
        if which := self._divergence():
            raise Diverged(
                f"{which} gave a loss or gradient that is not finite, as was seen at step "
                f"{self.done}: the last good model is saved; train with smaller learning "
                "rates in a new --workdir, or look for broken images in the data."
            )

    def _evaluate(self) -> None:
        state = self.training["state"]
        score, values = self.task.evaluate(state)
        if score < self.best["score"]:
            self.best = {
                "kept": jax.tree.map(np.array, self.task.keep(state)),
                "score": np.float64(score),
                "step": np.int64(self.done),
            }
        self.metrics.write(self.done, values, self._times())
        if warning := values.get("warning"):
            self.progress.say(f"{self.task.title}: {warning}")

    def _save(self) -> None:
        self.metrics.flush()
        training = jax.tree.map(np.asarray, self.training)
        self.checkpoints.save(self.done, {"training": training, "best": self.best})

    def _stop_requested(self) -> bool:
        if jax.process_count() == 1:
            return self.stop.requested is not None
        from jax.experimental import multihost_utils

        # All processes must save the same step, so they agree on a call, whose number rises by one.
        return multihost_utils.reached_preemption_sync_point(self.calls)

    def _times(self) -> dict[str, float]:
        return {"seconds": time.monotonic() - self.start}
