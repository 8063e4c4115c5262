"""Times one way of computing distances, on as many tensors as it can do in a few seconds."""

import functools
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.distances import oracles
from benchmarks.harness.distances.methods import OURS, Method, ours
from benchmarks.harness.distances.problem import Call, Problem, jax_program

ENOUGH, CALLS = 0.3, 10
SLOW_ROUNDS, VERY_SLOW = 2, 5.0
DENSE_ORACLE = 4096
SETTLED = 0.02
"""Seconds until threads of another method's pool stop spinning."""


@dataclass(frozen=True)
class Budget:
    """How much a peer may do.

    Attributes:
        seconds: that one call may take about; more pairs are extrapolated.
        kernels: up to which dense methods do all pairs, however long it takes.
    """

    seconds: float = 1.0
    kernels: int = 64**2 * 1024**2


class Meter:
    """Times of one call, taken over several turns."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.seconds: list[float] = []

    def take_turn(self, turn: int) -> None:
        """Call a few times; a slow call once and in the first turns only, a very slow one once."""
        slow = self.seconds and min(self.seconds) > ENOUGH and turn >= SLOW_ROUNDS
        if slow or (self.seconds and min(self.seconds) > VERY_SLOW):
            return
        time.sleep(SETTLED)
        begun = time.perf_counter()
        for _ in range(CALLS):
            started = time.perf_counter()
            self.call()
            self.seconds.append(time.perf_counter() - started)
            if time.perf_counter() - begun > ENOUGH:
                break

    def milliseconds(self) -> dict[str, Any]:
        """Median, smallest and number of the times."""
        found = {"median": statistics.median(self.seconds), "least": min(self.seconds)}
        return {name: 1e3 * value for name, value in found.items()} | {"calls": len(self.seconds)}


class Entry:
    """One method, task and problem: the call, on as many tensors as time allows, and its errors."""

    def __init__(self, method: Method, task: str, problem: Problem, budget: Budget) -> None:
        """Prepare, compile and check.

        Args:
            method: what to time.
            task: "value" or "gradient".
            problem: the tensors.
            budget: how much a peer may do.
        """
        self.method, self.task, self.problem = method, task, problem
        sets, samples = problem.xs.shape
        self.sets = sets
        if method.name != OURS and not method.once_each:
            whole = method.in_full and sets**2 * samples**2 <= budget.kernels
            self.sets = sets if whole else self._affordable(budget.seconds)
        smaller = problem.first(self.sets)
        self.variant = method.variants[0]
        if len(method.variants) > 1:
            trial = problem.first(min(self.sets, 8))
            speed = {v: timed(method.prepare(trial, task, v)) for v in method.variants}
            self.variant = min(speed, key=speed.__getitem__)
        self.meter = Meter(self._prepared(smaller))
        self.error = None
        result = self.meter.call()
        if task == "value":
            self.error = relative_error(method.distance, result, problem)

    def _prepared(self, problem: Problem) -> Call:
        variant = () if self.variant is None else (self.variant,)
        return self.method.prepare(problem, self.task, *variant)

    def _affordable(self, limit: float) -> int:
        """The largest power of two of tensors that a call does within the limit, or all of them."""
        sets, most = 1, len(self.problem.xs)
        self.variant = self.method.variants[-1]
        while sets < most:
            expected = timed(self._prepared(self.problem.first(sets)))
            if 4 * expected > limit:
                return sets
            sets, expected = min(2 * sets, most), 4 * expected
            while sets < most and 16 * expected < limit:  # far below: leave sizes out
                sets, expected = min(2 * sets, most), 4 * expected
        return sets

    def row(self) -> dict[str, Any]:
        """The measurement as plain numbers and strings."""
        sets, samples = self.problem.xs.shape
        factor = work(sets, self.method.own_terms) / work(self.sets, self.method.own_terms)
        times = self.meter.milliseconds()
        found = {"distance": self.method.distance, "method": self.method.name, "task": self.task}
        found |= {"sets": sets, "samples": samples, "measured_sets": self.sets}
        found |= {"extrapolated": self.sets < sets, "calls": times["calls"]}
        found |= {"milliseconds": factor * times["median"], "least": factor * times["least"]}
        found |= {"pairs_per_second": sets**2 / (factor * times["median"]) * 1e3}
        if self.variant is not None:
            found["variant"] = self.variant
        if self.error is not None:
            found["relative_error"] = self.error
        return found | self._temporary()

    def _temporary(self) -> dict[str, int]:
        if self.method.name != OURS:
            return {}
        distance = ours(self.method.distance, self.problem)
        program, arguments = jax_program(distance, self.problem, self.task)
        analysis = program.lower(*arguments).compile().memory_analysis()
        return {} if analysis is None else {"temporary_bytes": analysis.temp_size_in_bytes}


def work(sets: int, own_terms: bool) -> int:
    """Pairs of tensors whose kernels are computed, with or without those within each set."""
    return sets**2 + 2 * sets * own_terms


def timed(call: Call) -> float:
    """Seconds of the second call."""
    call()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def relative_error(distance: str, result: Any, problem: Problem) -> float:
    """Largest relative error of a few entries of a matrix of distances of the first tensors."""
    matrix = np.asarray(result, np.float64)
    last = len(matrix) - 1
    errors = (
        abs(matrix[i, j] / truth(distance, problem, i, j) - 1)
        for i, j in {(0, 0), (0, last), (last, last // 2)}
    )
    return float(max(errors))


@functools.cache
def truth(distance: str, problem: Problem, i: int, j: int) -> float:
    """The distance of one pair by the definition, in float64."""
    x, y = problem.xs[i], problem.ys[j]
    if distance == "EMD":
        return oracles.emd(x, y)
    if distance == "Bhattacharyya":
        return oracles.bhattacharyya(x, y, ddof=1)
    if x.size > DENSE_ORACLE:
        return oracles.mmd2_by_frequencies(x, y, problem.width)
    return oracles.mmd2(x, y, problem.width).biased
