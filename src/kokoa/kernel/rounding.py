"""The one way in which amounts are rounded and divided (docs/explanation/taxes.md#rounding). Exact; never a float.

Half away from zero to the minor unit ("commercial"), once for each line; totals are sums of rounded lines. What is
shared over lines is divided by largest remainder, so that the parts add up to it.
"""

from collections.abc import Sequence

BASIS_POINTS = 10_000
"""One hundredth of a percent each; so many are the whole."""


def part_of(amount_minor: int, numerator: int, denominator: int) -> int:
    """amount × numerator / denominator in minor units, half away from zero.  denominator: above 0."""
    product = amount_minor * numerator
    whole = (2 * abs(product) + denominator) // (2 * denominator)
    return -whole if product < 0 else whole


def percentage_of(amount_minor: int, basis_points: int) -> int:
    """So many basis points of an amount, such as the tax on a net price."""
    return part_of(amount_minor, basis_points, BASIS_POINTS)


def percentage_within(amount_minor: int, basis_points: int) -> int:
    """What of an amount was added as so many basis points, such as the tax in a gross price."""
    return part_of(amount_minor, basis_points, BASIS_POINTS + basis_points)


def pieces_of(amount_minor: int, count: int, pieces: int) -> int:
    """What the first `count` of so many equal pieces have of an amount: rounded down; all of it for all of them.

    count: 0 to pieces.  pieces: above 0. What pieces from one count to another have is the difference, so that pieces
    that are counted one after the other, in whatever portions, add up to the amount.
    """
    if amount_minor < 0 or not 0 <= count <= pieces:
        raise ValueError("an amount is 0 or more, and of so many pieces there are at most as many")
    return amount_minor * count // pieces


def divided(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """The amount in parts that add up to it, in proportion to weights, by largest remainder (Hamilton's method).

    amount_minor, weights: 0 or more; where all weights are 0 they count as equal. No part is larger than its weight
    unless the amount is larger than their sum. Of equal remainders the larger weight is served first, then the
    earlier, so what a weight gets does not depend on the order, unless two are alike.
    """
    if amount_minor < 0 or any(weight < 0 for weight in weights):
        raise ValueError("amounts and weights are 0 or more")
    if not weights:
        if amount_minor:
            raise ValueError("there is nothing to divide the amount over")
        return []
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    parts = [amount_minor * weight // whole for weight in weights]
    left = amount_minor - sum(parts)
    order = sorted(range(len(weights)), key=lambda at: (-(amount_minor * weights[at] % whole), -weights[at], at))
    for at in order[:left]:
        parts[at] += 1
    return parts
