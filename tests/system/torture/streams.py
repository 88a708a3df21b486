"""Threads that do harm, each by turns, with a deck of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

Harm = Callable[[random.Random], None]


class Stream(threading.Thread):
    """Deals out harm while it is its turn.

    is_acting: returns whether the stream of a name has its turn. over: set at the end, or with a problem.
    """

    def __init__(
        self,
        seed: str,
        name: str,
        deck: Sequence[Harm],
        pauses: tuple[float, float],
        is_acting: Callable[[str], bool],
        over: threading.Event,
    ) -> None:
        super().__init__(name=name)
        self._deck, self._pauses, self._is_acting, self._over = deck, pauses, is_acting, over
        self._random = random.Random(seed)
        self.problem: BaseException | None = None

    def run(self) -> None:
        hand: list[Harm] = []
        try:
            while not self._over.wait(0.05):
                if not self._is_acting(self.name):
                    continue
                hand = hand or self._random.sample(self._deck, len(self._deck))
                hand.pop()(self._random)
                self._over.wait(self._random.uniform(*self._pauses))
        except BaseException as problem:
            self.problem = problem
            self._over.set()
