"""How likely each length and each value of a random expression is, exactly.

By generating functions: a power series in `z` has at `z^n` the probability of `n` tokens. Series
are held as their values at points on a circle, so that sums and products of independent parts are
sums and products of numbers, and one Fourier transform brings the coefficients back. The circle is
so far inside the unit circle that the terms beyond the transform's length are lost in rounding.
"""

from functools import cache
from math import comb, pi

import torch
from torch import Tensor

from lagbench.material.expressions.grammar import DIGITS, OPERATORS, RARITY, Tilted
from lagbench.material.sampling import AliasTable

_ALIASING = 1e-8  # what a coefficient may gain from those that are `N`, `2 N`, … terms later


@cache
def lengths(depth: int, arguments: int, longest: int) -> Tensor:
    """`(longest + 1,)` float64: the probability of `n` tokens; see `grammar`."""
    return _coefficients(_grown(depth, arguments, _circle(longest))[0], longest)


@cache
def tilted(depth: int, arguments: int, least: int, longest: int) -> Tilted:
    """What gives expressions of more than `least` tokens and at most `longest` for the least work.

    An expression of `n` tokens is as likely as in the grammar, times `x^n`, over the sum of all. To
    undo that, `x^(longest - n)` of them are kept. The smaller `x`, the fewer are too long, and the
    fewer are kept: it is that which grows the fewest tokens for one of at most `longest`. Roots
    that are sure to have too few are left out.
    """
    # beyond, `x^longest` would be lost in the rounding of the series
    x = torch.exp(-(2.0 ** torch.arange(-5, 3, 0.25, dtype=torch.float64)) / longest)
    total, levels = _grown(depth, arguments, x)
    tokens = torch.arange(longest + 2, dtype=torch.float64)
    exact = lengths(depth, arguments, longest)
    missing = (exact * x[:, None] ** tokens[:-1] * (longest - tokens[:-1])).sum(1)
    best = int(((longest * total - missing) / x**longest).argmin())  # none grow beyond `longest`

    kinds = [(k, c) for k in range(2, arguments + 1) for c in range(k + 1)]
    k, c = torch.tensor(kinds).unbind(1)
    ways = torch.tensor([comb(*kind) for kind in kinds], dtype=torch.float64)
    roots, *below = (ways * digit[best] ** (k - c) * part[best] ** c for digit, part in levels)
    hopeful = roots * ((c > 0) | (k + 2 > least))
    total = total[best] * hopeful.sum() / roots.sum()
    kept = x[best] ** (longest - tokens) * ((tokens > least) & (tokens <= longest))
    share = float(exact[least + 1 :].sum() * x[best] ** longest / total)
    return Tilted(k, c, tuple(map(AliasTable.of, (hopeful, *below))), kept, share)


@cache
def values(depth: int, arguments: int, longest: int) -> Tensor:
    """`(10, longest + 1)` float64: the probability of each value together with `n` tokens."""
    z = _circle(longest)
    digit = (z / DIGITS).expand(DIGITS, -1)
    node = operator = digit
    for _ in range(depth - 1):
        operator = z**2 * _applied(node, arguments)
        node = ((RARITY - 1) * digit + operator) / RARITY
    return _coefficients(operator, longest)


def _grown(depth: int, arguments: int, z: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """The series of an expression's tokens, and of an argument's, for each level of operators.

    The latter are two each, from the roots down: of a digit, and of an operator.
    """
    digit, nested = z, torch.zeros_like(z)
    levels = []
    for _ in range(depth - 1):
        levels.append((digit, nested))
        operator = z**2 * torch.stack(_powers(digit + nested, arguments)[2:]).mean(0)
        digit, nested = (RARITY - 1) * z / RARITY, operator / RARITY
    return operator, levels[::-1]


def _applied(part: Tensor, arguments: int) -> Tensor:
    """The value of a random operator on 2 to `arguments` independent parts, all alike.

    part: `(10, points)`, the series of a part's value; so is what is returned.
    """
    below = torch.nn.functional.pad(part.cumsum(0), (0, 0, 1, 0))  # [v]: less than v
    above = below[-1] - below  # [v]: at least v
    transformed = _powers(torch.fft.fft(part, dim=0), arguments)
    below_powers, above_powers = _powers(below, arguments), _powers(above, arguments)
    total = torch.zeros_like(part)
    for k in range(2, arguments + 1):
        total += below_powers[k].diff(dim=0)  # MAX
        total -= above_powers[k].diff(dim=0)  # MIN
        total += torch.fft.ifft(transformed[k], dim=0)  # SM: the cyclic convolution of the parts
        total += _median(k, below_powers, above_powers)
    return total / (OPERATORS * (arguments - 1))


def _median(k: int, below: list[Tensor], above: list[Tensor]) -> Tensor:
    """MED of `k` parts: of an even number, the mean of the middle two, rounded down."""
    half = (k + 1) // 2
    enough = [comb(k, i) * below[i] * above[k - i] for i in range(half, k + 1)]
    median = torch.stack(enough).sum(0).diff(dim=0)  # the `half`-th smallest part
    if k % 2 == 0:
        a, b = torch.triu_indices(DIGITS, DIGITS, offset=1)  # the middle two, where they differ
        low, high = below[half].diff(dim=0), -above[half].diff(dim=0)
        moved = comb(k, half) * low[a] * high[b]
        median = median.index_add(0, a, -moved).index_add(0, (a + b) // 2, moved)
    return median


def _powers(base: Tensor, highest: int) -> list[Tensor]:
    """`base^0 … base^highest`; a product a power, which complex `pow` is far slower than."""
    powers = [torch.ones_like(base)]
    for _ in range(highest):
        powers.append(powers[-1] * base)
    return powers


def _transform(longest: int) -> tuple[int, float]:
    """The number of points, and the circle's radius."""
    points = 2 * (longest + 1)
    return points, float(_ALIASING ** (1 / points))


def _circle(longest: int) -> Tensor:
    """Half of the points `z`; series with real coefficients are conjugate at the others."""
    points, radius = _transform(longest)
    angle = -2 * pi / points * torch.arange(points // 2 + 1, dtype=torch.float64)
    return torch.polar(torch.full_like(angle, radius), angle)


def _coefficients(series: Tensor, longest: int) -> Tensor:
    points, radius = _transform(longest)
    coefficients = torch.fft.irfft(series, points)[..., : longest + 1]
    scaled: Tensor = coefficients / radius ** torch.arange(longest + 1, dtype=torch.float64)
    return scaled
