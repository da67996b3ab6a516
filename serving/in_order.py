"""Work on several things at a time, with the results in the order of the things."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def in_order(work: Callable[[Thing], Result], things: Iterable[Thing], workers: int) -> Iterator[Result]:
    """What ``work`` gives for each thing; at most one more than there are workers is begun ahead of who asks.

    >>> list(in_order(str, [3, 1, 2], workers=2))
    ['3', '1', '2']
    """
    with ThreadPoolExecutor(workers) as pool:
        under_way: deque[Future[Result]] = deque()
        for thing in things:
            under_way.append(pool.submit(work, thing))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
