"""Cost models fitted to measurements: times and memory as sums of a few terms in the length, none of them negative,
fitted to relative errors (so that the short lengths count as much as the long ones)."""
import dataclasses

import numpy as np


@dataclasses.dataclass
class Model:
    """sum of coefficients[i] * length ** powers[i]"""
    powers: tuple
    coefficients: np.ndarray
    lengths: np.ndarray
    worst: float  #: largest relative error over the lengths that were fitted

    def __call__(self, lengths):
        lengths = np.asarray(lengths, float)
        return sum(c * lengths ** p for c, p in zip(self.coefficients, self.powers))


def fit(lengths, values, powers=(0, 1, 2)):
    """Least squares of the relative errors with coefficients of at least 0: every subset of the terms is tried, which
    for three terms is as good as any solver."""
    lengths, values = np.asarray(lengths, float), np.asarray(values, float)
    columns = np.stack([lengths ** p / values for p in powers], axis=1)
    best = None
    for chosen in range(1, 2 ** len(powers)):
        terms = [i for i in range(len(powers)) if chosen >> i & 1]
        if len(terms) > len(lengths):
            continue
        scale = np.linalg.norm(columns[:, terms], axis=0)
        solution = np.linalg.lstsq(columns[:, terms] / scale, np.ones(len(lengths)), rcond=None)[0] / scale
        if (solution < 0).any():
            continue
        coefficients = np.zeros(len(powers))
        coefficients[terms] = solution
        errors = columns @ coefficients - 1
        cost = float(errors @ errors)
        if best is None or cost < best[0]:
            best = cost, Model(tuple(powers), coefficients, lengths, float(np.abs(errors).max()))
    return best[1]
