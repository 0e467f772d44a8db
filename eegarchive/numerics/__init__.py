"""Numbers from samples: power spectra, statistics, sleep spindles. Arrays in, arrays out, nothing of files.

What Luna computes too is computed as Luna 1.7 does; where that differs from the textbook, the function says so.
"""

from eegarchive.numerics.firs import kaiser_fir, kaiser_length
from eegarchive.numerics.moments import Moments, hjorth, lower_median, moments, percentiles
from eegarchive.numerics.spectra import BANDS, TOTAL, band_power, decibels, segments, welch
from eegarchive.numerics.spindles import SpindleRules, Spindles, find_spindles, wavelet_power

__all__ = [
    "BANDS",
    "TOTAL",
    "Moments",
    "SpindleRules",
    "Spindles",
    "band_power",
    "decibels",
    "find_spindles",
    "hjorth",
    "kaiser_fir",
    "kaiser_length",
    "lower_median",
    "moments",
    "percentiles",
    "segments",
    "wavelet_power",
    "welch",
]
