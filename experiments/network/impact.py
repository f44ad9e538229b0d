"""Who breaks whom: impacts of a default on buffers, and how far they reach over paths of every length.

`exposures[i, j]` is the claim of `i` on `j`, `buffer[i]` the capital of `i` that can absorb losses, USD. Measures of
Silva, Souza and Tabak (2015, Central Bank of Brazil, working papers 391 and 392), with the conventions of the R package
NetworkRiskMeasures. The communicability matrix is dense: 8 n^2 bytes, quick up to a thousand members or so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.linalg import expm

from experiments.network.inputs import Array, Matrix, Sparse, square, vector
from market.errors import InputError


def impact_matrix(exposures: Matrix, buffer: ArrayLike, *, binary: bool = True) -> Sparse:
    """csr_array[n, n]: `[i, j]` is the share of the buffer of `j` that the default of `i` takes, at most 1.

    With `binary`, only impacts that take all of it, as 1. Raises InputError for a buffer that is not above 0.
    """
    claims = square("exposures", exposures)
    capital = vector("buffer", buffer, claims.shape[0])
    if capital.size and capital.min() <= 0.0:
        raise InputError(f"buffer: {capital.min():g} is not above 0")
    impact = sparse.csr_array((sparse.diags_array(1.0 / capital) @ claims).T)
    impact.data = np.minimum(impact.data, 1.0)
    if binary:
        impact.data = (impact.data >= 1.0).astype(np.float64)
        impact.eliminate_zeros()
    return impact


def communicability(impact: Matrix) -> Array:
    """float64[n, n]: exp(impact) without its diagonal: paths from `i` to `j`, those of length k weighted by 1 / k!.

    Estrada and Hatano (2008), Physical Review E 77, 036111.
    """
    found: Array = expm(square("impact", impact).toarray())
    np.fill_diagonal(found, 0.0)
    return found


def susceptibility(impact: Matrix) -> Array:
    """float64[n]: paths that reach a member over direct impacts on it; above 1 it is vulnerable to strangers.

    0 for a member that nobody reaches. Its mean over members is the network's impact fluidity.
    """
    direct = np.asarray(square("impact", impact).sum(axis=0), np.float64).ravel()
    reach = communicability(impact).sum(axis=0)
    found: Array = np.divide(reach, direct, out=np.zeros(len(direct)), where=direct > 0.0)
    return found


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """float64[n] each: paths that would vanish if a member passed nothing on, per direct impact of it."""

    start: Array
    """Paths that begin at the member."""
    intermediate: Array
    """Paths that lead through it."""

    @property
    def total(self) -> Array:
        """Both."""
        return self.start + self.intermediate


def diffusion(impact: Matrix) -> Diffusion:
    """Influence of every member on the spread of impacts: one matrix exponential for each that passes any on."""
    links = square("impact", impact)
    given = np.asarray(links.sum(axis=1), np.float64).ravel()
    whole = communicability(links)
    start, intermediate = np.zeros(len(given)), np.zeros(len(given))
    for row in np.flatnonzero(given > 0.0):
        silent = links.tolil(copy=True)
        silent[row] = 0.0
        lost = np.maximum(whole - communicability(silent.tocsr()), 0.0).sum(axis=1) / given[row]
        start[row] = lost[row]
        intermediate[row] = lost.sum() - lost[row]
    return Diffusion(start=start, intermediate=intermediate)
