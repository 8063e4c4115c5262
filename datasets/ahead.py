"""Work done ahead of its use, by several threads."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int | None = None
) -> Generator[tuple[Item, Result], None, None]:
    """Each item with the function's value for it, in order, while the next ones are worked on.

    Args:
        function: takes an item; several run at once.
        items: few of them are taken before their values are asked for.
        workers: number of threads; None for as many as there are CPUs, at most 4.
    """
    workers = workers or min(4, os.cpu_count() or 1)
    pending: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append((item, pool.submit(function, item)))
                if len(pending) > workers:
                    first, value = pending.popleft()
                    yield first, value.result()
            while pending:
                first, value = pending.popleft()
                yield first, value.result()
        finally:
            for _, value in pending:
                value.cancel()
