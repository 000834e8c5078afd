"""Sums that fits rest on have one order, whatever the machine has of cores."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import mastery
from mastery.sums import dot, weigh_columns, weigh_rows

SOURCES = Path(mastery.__file__).parent
FITTING = ("scorers", "fitting", "evaluation", "features")

BLAS = ("dot", "vdot", "inner", "matmul", "tensordot", "einsum", "cov", "corrcoef", "polyfit", "linalg")
"""What numpy hands over to BLAS, which sums long rows in as many pieces as there are cores."""

MAY = {
    "scorers/elo/chapters.py": "of sparse arrays, which scipy multiplies itself",
    "scorers/linear_rnn/parameters.py": "of a sparse array, which scipy multiplies itself",
    "fitting/intervals.py": "of half a dozen knots: too few for BLAS to cut, and of simulated schools",
}


def products(source: str) -> list[int]:
    """Return the lines with a matrix product, or with something of numpy's that makes one."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
        or (isinstance(node, ast.Attribute) and node.attr in BLAS and ast.unparse(node.value) == "np")
    ]


def test_no_fit_leaves_a_sum_to_blas():
    assert products("a @ b\nnp.dot(a, b)\nc = np.linalg.solve(a, b)") == [1, 2, 3]
    found = {
        str(path.relative_to(SOURCES)): lines
        for folder in FITTING
        for path in sorted((SOURCES / folder).rglob("*.py"))
        if (lines := products(path.read_text()))
    }
    assert sorted(found) == sorted(MAY), f"use mastery.sums: {found}"


def test_sums_by_hand():
    matrix, weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([10.0, 100.0])
    assert dot(weights, weights) == 10_100.0
    assert weigh_rows(weights, matrix).tolist() == [410.0, 520.0, 630.0]
    assert weigh_columns(matrix.T, weights).tolist() == [410.0, 520.0, 630.0]
