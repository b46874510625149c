"""A linear axis with round ticks: `Axis.over([0.87, 0.96], 100, 700).ticks` → (0.86, 0.88, …, 0.96)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from evergreen.pages.formatting import MINUS


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` drawn from pixel `start` to pixel `end`; `step` lies between ticks."""

    low: float
    high: float
    step: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float, ticks: int = 6) -> Self:
        """The axis that spans all finite values and begins and ends at a tick; about `ticks` of them."""
        finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        if low == high:
            margin = abs(low) / 10 or 1.0
            low, high = low - margin, high + margin
        step = _round_step((high - low) / ticks)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(low=low, high=high, step=step, start=start, end=end)

    def place(self, value: float) -> float:
        """The pixel of a value, held within the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values from `low` to `high`."""
        steps = round((self.high - self.low) / self.step)
        return tuple(self.low + index * self.step for index in range(steps + 1))

    def name(self, tick: float) -> str:
        """A tick as text, with as many decimals as the step needs: `0.05`, `1,000`, `4e−5`."""
        if self.step < 1e-3:
            mantissa, _, exponent = f"{tick:.1e}".partition("e")
            return (
                f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", MINUS)
                if abs(tick) > self.step / 2
                else "0"
            )
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        return f"{tick + 0.0:,.{decimals}f}".replace("-", MINUS)


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= rough * (1 - 1e-9)), 10 * power)
