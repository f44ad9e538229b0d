"""What the measures of this folder accept: finite matrices and vectors of matching shapes."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from market.errors import InputError

Array = NDArray[np.float64]
Matrix: TypeAlias = Any
"""Something like an array of two dimensions, or a scipy sparse array."""
Sparse: TypeAlias = Any
"""scipy.sparse.csr_array of float64."""


def _check_values(name: str, values: Array, *, signed: bool) -> None:
    if not np.isfinite(values).all():
        raise InputError(f"{name}: not all finite")
    if not signed and values.size and values.min() < 0.0:
        raise InputError(f"{name}: {values.min():g} is negative")


def matrix(
    name: str, value: Matrix, *, rows: int | None = None, columns: int | None = None, signed: bool = False
) -> Sparse:
    """csr_array[rows, columns]. Raises InputError for another shape, NaN, infinity and, unless `signed`, negatives."""
    try:
        dense = value if sparse.issparse(value) else np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not a matrix of numbers: {error}") from None
    if dense.ndim != 2:
        raise InputError(f"{name}: {dense.ndim} dimensions instead of 2")
    wanted = (dense.shape[0] if rows is None else rows, dense.shape[1] if columns is None else columns)
    if dense.shape != wanted:
        raise InputError(f"{name}: shape {dense.shape} instead of {wanted}")
    found = sparse.csr_array(dense, dtype=np.float64)
    found.sum_duplicates()
    found.eliminate_zeros()
    _check_values(name, found.data, signed=signed)
    return found


def square(name: str, value: Matrix) -> Sparse:
    """csr_array[n, n] with nothing negative and an empty diagonal: nobody owes himself. Raises InputError."""
    found = matrix(name, value)
    if found.shape[0] != found.shape[1]:
        raise InputError(f"{name}: shape {found.shape} is not square")
    if found.diagonal().any():
        raise InputError(f"{name}: the diagonal is not empty")
    return found


def vector(name: str, value: ArrayLike, length: int | None = None, *, signed: bool = False) -> Array:
    """float64[length]. Raises InputError for another shape, NaN, infinity and, unless `signed`, negatives."""
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not a vector of numbers: {error}") from None
    if found.ndim != 1 or (length is not None and len(found) != length):
        raise InputError(f"{name}: shape {found.shape} instead of ({'n' if length is None else length},)")
    _check_values(name, found, signed=signed)
    return found


def number(name: str, value: float, *, low: float, high: float = np.inf) -> float:
    """A finite float from `low` to `high`. Raises InputError outside."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{name}: {value!r} is not a number") from None
    if not low <= found <= high or np.isinf(found):
        raise InputError(f"{name}: {value!r} is not between {low:g} and {high:g}")
    return found
