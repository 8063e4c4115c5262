"""What a system tells the engine: its data, its checks, its phases and its report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import jax

from train.engine.metrics import read_metrics

if TYPE_CHECKING:
    from jax.sharding import Mesh


@dataclass(frozen=True)
class Validation:
    """What an evaluation during training found.

    Attributes:
        score: decides which state is kept; less is better.
        values: numbers for metrics.jsonl, by name; dictionaries of numbers are allowed.
        warning: a sentence for the user, or None.
        failed: why a training that ends with this has failed, as a sentence, or None.
    """

    score: float
    values: Mapping[str, Any]
    warning: str | None = None
    failed: str | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the training loop needs to know.

    Attributes:
        title: short name for the progress line.
        state: the initial state, one pytree of arrays with everything that changes.
        fixed: a pytree of arrays that the step reads and nothing changes, such as frozen weights.
            It is an argument of the step and lies in no checkpoint; the manifest has its hash.
        batch: from a step's number to its batch, a pytree of numpy arrays with the examples on the
            first axis; a pure function.
        step: from (state, fixed, batch, key) to (state, metrics), a pure function that can be
            jitted. Metrics are scalars by name; one that is not finite means that the step must not
            count.
        evaluate: from (state, fixed) to what the validation found.
        export: from a state to what is exported of it, a pytree of arrays.
        shown: the metric that the progress line shows.
        keep: whether the state of the best score is exported, or the last one.
        tolerance: by how much the last score may exceed the first before the training has failed.
    """

    title: str
    state: Any
    batch: Callable[[int], Any]
    step: Callable[[Any, Any, Any, jax.Array], tuple[Any, Mapping[str, jax.Array]]]
    evaluate: Callable[[Any, Any], Validation]
    export: Callable[[Any], Any]
    shown: str
    fixed: Any = ()
    keep: Literal["best", "last"] = "best"
    tolerance: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a finished training hands back.

    Attributes:
        kept: what `Task.export` took from the state that was kept; numpy arrays.
        score: its score.
        step: the step at which it was reached.
        steps: how many steps were taken.
        skipped: how many of them were skipped for not being finite.
        failed: why the training has failed, as a sentence, or None.
        folder: of its `metrics.jsonl`.
        keep: which state was kept, as in `Task`.
    """

    kept: Any
    score: float
    step: int
    steps: int
    skipped: int
    failed: str | None
    folder: Path
    keep: Literal["best", "last"] = "best"

    def rows(self) -> list[dict[str, Any]]:
        """The rows of its metrics.jsonl."""
        return read_metrics(self.folder / "metrics.jsonl")

    @property
    def is_start(self) -> bool:
        """Whether no step was better by validation than what training started from."""
        return self.keep == "best" and self.step == 0 < self.steps

    def described(self, name: str) -> str:
        """A sentence for the report.

        Args:
            name: of what was trained.
        """
        skipped = f"; {self.skipped} non-finite steps were skipped" if self.skipped else ""
        if self.keep == "last":
            return f"{name}: after the last of {self.steps} steps{skipped}."
        return f"{name}: best of {self.steps} steps at step {self.step} by validation{skipped}."


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of a system has at hand.

    Attributes:
        config: its options.
        data: the open data sets, by role.
        mesh: the devices.
        workdir: the folder.
    """

    config: Any
    data: Mapping[str, Any]
    mesh: "Mesh"
    workdir: Path


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One training of a run; a run has one or several, one after the other.

    Attributes:
        name: of what is trained.
        task: from what the phases before it found, by name, to what to train.
        model: name in the registry of models of what is exported.
        settings: configuration of that model.
        folder: of its checkpoints and model, below the run's; the run's own where it is empty.
        steps: how many; None for those of the options.
        compared: whether it is only something to compare with: its failure is told, and is not
            that of the run.
        learned_from: what to keep with the model about its data, as JSON.
    """

    name: str
    task: Callable[[Mapping[str, Fitted]], Task]
    model: str
    settings: Any
    folder: str = ""
    steps: int | None = None
    compared: bool = False
    learned_from: Mapping[str, Any] = field(default_factory=dict)


class Report(Protocol):
    """What a system makes of a finished run."""

    @property
    def failed(self) -> Sequence[str]:
        """Sentences that say why what was trained is of no use; none where it is."""
        ...

    def write(self, folder: Path, *, failed: Sequence[str], remarks: Sequence[str]) -> str:
        """Writes the report, which says first what has failed, then what to know besides.

        Returns the text for a terminal.
        """
        ...


def _open_named(config: Any) -> dict[str, Callable[[], Any]]:
    """The one data set that the options name, in the role "data"."""

    def opened() -> Any:
        from datasets.pipeline import open_dataset
        from datasets.source_files import Reading

        return open_dataset(
            config.dataset,
            source=config.source,
            data_dir=config.data_dir,
            patch_size=config.patch_size,
            seed=config.data_seed,
            reading=Reading(config.follow_links, config.max_pixels),
        )

    return {"data": opened}


@dataclass(frozen=True, kw_only=True)
class System:
    """A trainer, or one subcommand of it, as functions that the engine calls in this order.

    Attributes:
        check: raises for options that contradict each other; before any data set is opened.
        data: from the options to functions that open the data sets, by role. Something that is
            opened has a `name` and a `fingerprint`, and it may have `doubts`, sentences to say at
            the start.
        check_data: raises for data that do not serve, before anything is written; returns what
            else tells one run from another, such as the digest of a file, or "".
        phases: the trainings of a run.
        report: from a run and what its phases found to its report; called in all processes.
    """

    check: Callable[[Any], None] = field(default=lambda config: None)
    data: Callable[[Any], Mapping[str, Callable[[], Any]]] = _open_named
    check_data: Callable[[Run], str] = field(default=lambda run: "")
    phases: Callable[[Run], Sequence[Phase]]
    report: Callable[[Run, Mapping[str, Fitted]], Report]
