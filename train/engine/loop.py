"""The training loop that all systems share: restore, step, report, evaluate, save."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from train.engine import lock
from train.engine.ahead import Ahead
from train.engine.checkpoint import Checkpoints
from train.engine.devices import replicate, shard
from train.engine.errors import Diverged
from train.engine.guard import check_types, guarded_step, several_steps, start_training
from train.engine.metrics import Metrics
from train.engine.progress import Progress
from train.engine.schedule import Schedule
from train.engine.signals import BETWEEN, StopSignals
from train.engine.system import Fitted, Task, Validation
from train.engine.verdict import failure


def fit(
    task: Task,
    schedule: Schedule,
    *,
    workdir: Path,
    seed: int,
    mesh: Mesh,
    stop: StopSignals | None = None,
    runs: Sequence[str] = ("",),
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
        mesh: from `train.engine.devices.start_jax`.
        stop: signals that may ask to stop.
        runs: what tells this run from others beside its seed, as it is now last, and before that as
            it was when steps were saved that it may go on from.

    Returns:
        What is exported of the state that was kept, its score, and whether the training failed.

    Raises:
        Diverged: too many non-finite steps in a row, or no finite one at all; the last good state
            is saved, and a run that goes on from it diverges at once.
        NoCheckpoint: the run must be resumed and no checkpoint is usable.
        UsageError: the folder was renamed, deleted or locked by another run in between.
        Stopped: SIGTERM or SIGHUP came; the state is saved.
    """
    stop = stop or StopSignals()
    return _Run(task, schedule, workdir, mesh, seed=seed, stop=stop, runs=runs).train()


class _Run:
    """One call of `fit`: what it reads and writes around the pure step."""

    def __init__(self, task, schedule, workdir, mesh, *, seed, stop, runs):
        self.task, self.schedule, self.mesh, self.stop = task, schedule, mesh, stop
        self.workdir, self.seed = workdir, replicate(mesh, np.uint32(seed))
        self.fixed = replicate(mesh, task.fixed)
        self.first_process = jax.process_index() == 0
        workdir.mkdir(parents=True, exist_ok=True)
        training = start_training(task.state)
        self.progress = Progress(task.title, steps=schedule.steps, shown=self.first_process)
        self.best = {
            "kept": jax.tree.map(np.array, task.export(training["state"])),
            "score": np.float64(math.inf),
            "step": np.int64(0),
            "first_score": np.float64(math.nan),
        }
        # A signal in the middle of reading would say nothing about what is read.
        with stop.after(BETWEEN):
            self.checkpoints = Checkpoints(
                workdir / "checkpoints",
                report=self.progress.say,
                runs=[f"{task.title}, seed {seed}, {run}" for run in runs],
            )
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
            digest=self.checkpoints.rows,
        )
        self.start = time.monotonic()

    def train(self) -> Fitted:
        step = guarded_step(self.task.step)
        self.one = jax.jit(step, donate_argnums=0)
        self.several = jax.jit(several_steps(step), donate_argnums=0)
        self.ahead = Ahead(self._batch)
        last = None
        try:
            self._raise_if_diverged()
            if 0 < self.done < self.schedule.steps:
                self.progress.say(
                    f"{self.task.title}: goes on from step {self.done} of {self.schedule.steps}."
                )
            self.progress.start(self.done)
            if self.fresh:
                self._evaluate()  # what training starts from may be hard to beat
            if self.done < self.schedule.steps:
                last = self._take_steps()
                if self._signalled():
                    self._stop()  # it came while the last step was evaluated and saved
            else:
                last = self.task.evaluate(self.training["state"], self.fixed)
        finally:
            self.ahead.close()
            self.metrics.close()
            self.progress.close()
            self.checkpoints.close()
        return Fitted(
            kept=self.best["kept"],
            score=float(self.best["score"]),
            step=int(self.best["step"]),
            steps=self.done,
            skipped=self.skipped,
            failed=None if last is None else failure(self.task, last, self.best, steps=self.done),
            keep=self.task.keep,
            folder=self.workdir,
        )

    def _take_steps(self) -> Validation | None:
        """All steps that are left; returns the evaluation after the last one."""
        # Until the first batch is there, nothing can be lost: a signal ends the run at once.
        self.ahead.ask(self.done)
        batch = self._placed(self.ahead.take(lambda: False), self.schedule.steps_from(self.done))
        found = None
        with self.stop.held():
            while True:
                count = self.schedule.steps_from(self.done)
                following = self.done + count
                if following < self.schedule.steps:
                    # Made while the devices work on this one.
                    self.ahead.ask(following)
                run = self.one if count == 1 else self.several
                if self.calls == 0:
                    after, _ = run.eval_shape(self.training, self.fixed, batch, self.seed)
                    check_types(self.training, after)
                self.training, metrics = run(self.training, self.fixed, batch, self.seed)
                self.done = following
                self.calls += 1
                found = self._after_steps(count, metrics)
                if self.done == self.schedule.steps:
                    return found
                batch = self._next_batch()

    def _next_batch(self) -> Any:
        """The batch that was asked for, on the devices; a signal or an error saves the state."""
        try:
            made = self.ahead.take(self._signalled)
        except Exception:
            if jax.process_count() == 1:
                self._save()  # what was learnt so far is good, whatever ails the data
            raise
        if made is None:
            self._save()
            self._stop()
        return self._placed(made, self.schedule.steps_from(self.done))

    def _batch(self, step: int) -> Any:
        count = self.schedule.steps_from(step)
        if count == 1:
            return self.task.batch(step)
        batches = [self.task.batch(step + place) for place in range(count)]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *batches)

    def _placed(self, batch: Any, count: int) -> Any:
        # Here and not in the thread, which must not be at work on devices when the process ends.
        return shard(self.mesh, batch, axis=int(count > 1))

    def _after_steps(self, count: int, metrics: Mapping[str, jax.Array]) -> Validation | None:
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
            return None  # reading the metrics would make the host wait for the devices
        rows = {name: np.atleast_1d(np.asarray(value)) for name, value in metrics.items()}
        every = [{name: float(row[place]) for name, row in rows.items()} for place in range(count)]
        for step, values in zip(taken, every, strict=True):
            self._count(values)
            del values["longest"]
            if step in reported:
                self.metrics.write(step, {**values, "skipped": self.skipped}, self._times())
        name = self.task.shown
        kept = "best validation" if self.task.keep == "best" else "last validation"
        shown = {name: every[-1][name], kept: float(self.best["score"])}
        self.progress.update(self.done, shown)
        diverged = self._divergence() is not None
        found = self._evaluate() if evaluate or diverged else None
        if save or diverged or stop:
            self._save()
        self._raise_if_diverged()
        if stop and not last:
            self._stop()
        return found

    def _stop(self) -> None:
        self.stop.stop(
            f"stopped at step {self.done} of {self.schedule.steps}, which is saved: "
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
                f"{self.done}: the last good state is saved; train with smaller learning "
                "rates in a new --workdir, or look for broken images in the data."
            )

    def _evaluate(self) -> Validation:
        state = self.training["state"]
        found = self.task.evaluate(state, self.fixed)
        if self.done == 0:
            self.best = {**self.best, "first_score": np.float64(found.score)}
        if found.score < self.best["score"] or self.task.keep == "last":
            self.best = {
                **self.best,
                "kept": jax.tree.map(np.array, self.task.export(state)),
                "score": np.float64(found.score),
                "step": np.int64(self.done),
            }
        values = dict(found.values)
        # What training starts from has not failed yet: a denoiser may begin as the identity.
        for name in ("warning", "failed") if self.done else ("warning",):
            if sentence := getattr(found, name):
                values[name] = sentence
                self.progress.say(f"{self.task.title}: {sentence}")
        self.metrics.write(self.done, values, self._times())
        return found

    def _save(self) -> None:
        lock.look_again()
        self.metrics.flush()
        training = jax.tree.map(np.asarray, self.training)
        tree = {"training": training, "best": self.best}
        self.checkpoints.save(self.done, tree, rows=self.metrics.digest)

    def _signalled(self) -> bool:
        """Whether to stop while a batch is waited for; several processes agree at a step only."""
        return jax.process_count() == 1 and self.stop.requested is not None

    def _stop_requested(self) -> bool:
        if jax.process_count() == 1:
            return self.stop.requested is not None
        from jax.experimental import multihost_utils

        # All processes must save the same step, so they agree on a call, whose number rises by one
        # over all trainings of a process.
        self.stop.calls += 1
        return multihost_utils.reached_preemption_sync_point(self.stop.calls)

    def _times(self) -> dict[str, float]:
        return {"seconds": time.monotonic() - self.start}
