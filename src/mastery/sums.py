"""Dot products summed in one order, for fits: BLAS cuts long ones by the number of cores, and gives other bits then."""

from __future__ import annotations

import numpy as np

from mastery.arrays import Floats
from mastery.kernels import kernel


def dot(a: Floats, b: Floats) -> float:
    """Return Σ a · b of two float64[n]."""
    return float(np.sum(a * b))


def weigh_columns(matrix: Floats, weights: Floats) -> Floats:
    """Return float64[n]: of each row of float64[n, K] the sum of its columns, weighted by float64[K]."""
    return _weigh_columns(np.ascontiguousarray(matrix), weights)


def weigh_rows(weights: Floats, matrix: Floats) -> Floats:
    """Return float64[K]: of each column of float64[n, K] the sum of its rows, weighted by float64[n]."""
    return _weigh_rows(weights, np.ascontiguousarray(matrix))


@kernel
def _weigh_columns(matrix: Floats, weights: Floats) -> Floats:
    found = np.zeros(matrix.shape[0])
    for i in range(matrix.shape[0]):
        for k in range(matrix.shape[1]):
            found[i] += matrix[i, k] * weights[k]
    return found


@kernel
def _weigh_rows(weights: Floats, matrix: Floats) -> Floats:
    found = np.zeros(matrix.shape[1])
    for i in range(matrix.shape[0]):
        for k in range(matrix.shape[1]):
            found[k] += weights[i] * matrix[i, k]
    return found
