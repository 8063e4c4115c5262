"""How long a training lasts, and how often it is looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how often. All are numbers of steps.

    Attributes:
        steps: the last step.
        evaluate_every: between two evaluations; the start and the last step are always evaluated.
        save_every: between two checkpoints; the last step is always saved.
        report_every: between two rows of metrics.jsonl.
        bad_steps: non-finite steps in a row that end the run, at the next step that is reported,
            evaluated or saved.
        steps_per_call: steps that the devices take without the host in between, wherever none of
            them but the last is evaluated or saved. A signal waits for them.
    """

    steps: int
    evaluate_every: int = 100
    save_every: int = 100
    report_every: int = 1
    bad_steps: int = 10
    steps_per_call: int = 1

    def steps_from(self, done: int) -> int:
        """How many steps the next call takes, a function of the number of steps done alone."""
        several = self.steps_per_call
        ends = [self.steps, *((done // n + 1) * n for n in (self.evaluate_every, self.save_every))]
        return several if done % several == 0 and done + several <= min(ends) else 1
