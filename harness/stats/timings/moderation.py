"""Variances of many small samples that lend each other strength, as far as they are alike."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, special


def moderated(variances: np.ndarray, freedoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances, each drawn towards that of all, and their degrees of freedom.

    G. K. Smyth, Linear models and empirical Bayes methods, Statistical Applications in Genetics and Molecular Biology
    3, 2004, section 6.2: the true variances are taken to be scattered as an inverse chi-square. How widely, is told by
    the spread of the logarithms beyond what so few samples explain: not at all, and they are pooled; widely, and each
    keeps its own. A variance without freedom of its own becomes the common one.

    Parameters
    ----------
    variances, freedoms : shape (cells,); degrees of freedom from 0 on, not all of them 0.

    Returns
    -------
    tuple : both of shape (cells,). No freedom is above the sum of those given.
    """
    known = freedoms > 0
    d, total = freedoms[known], float(freedoms.sum())
    pooled = float(np.sum(variances[known] * d) / total)
    everywhere = np.full(len(variances), pooled), np.full(len(variances), total)
    floor = 1e-5 * float(np.median(variances[known]))
    if known.sum() < 2 or floor == 0:
        return everywhere
    logs = np.log(np.maximum(variances[known], floor)) - special.digamma(d / 2) + np.log(d / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, d / 2).mean())
    if excess <= special.polygamma(1, 5e5):
        return everywhere
    prior = 2 * optimize.brentq(lambda half: float(special.polygamma(1, half)) - excess, 1e-3, 1e6)
    common = math.exp(float(logs.mean()) + float(special.digamma(prior / 2)) - math.log(prior / 2))
    own = np.where(known, variances, 0.0)
    return (prior * common + freedoms * own) / (prior + freedoms), np.minimum(prior + freedoms, total)
