"""Which evaluation rows a tuner decides on, so that the others can tell how good its choice is.

The best of several candidates on some rows is partly the luckiest on these rows: its accuracy there flatters, by 0.4 to
0.6 points for tens of candidates on hundreds of rows. On rows that took no part in the choice it is what it is.
"""

from __future__ import annotations

import numpy as np

#: Each part has so many rows at least. When 2 rows in a hundred change, the standard error of a paired difference on
#: them is sqrt(0.02 / 500), 0.6 points: on fewer, the noise that holding rows out adds is above what it takes away.
LEAST_ROWS = 500


def shown_to_tuner(rows: int, seed: int) -> np.ndarray | None:
    """Return the numbers of the rows that a tuner decides on, half of them, ascending; None where it needs all.

    Parameters
    ----------
    rows : evaluation rows there are; below twice :data:`LEAST_ROWS` they are too few for two parts.
    seed : draws the part, without regard to labels or lengths.
    """
    if rows < 2 * LEAST_ROWS:
        return None
    # The legacy generator's stream is the same in every version of NumPy, so in every environment.
    return np.sort(np.random.RandomState(seed % 2**32).permutation(rows)[: rows // 2])
