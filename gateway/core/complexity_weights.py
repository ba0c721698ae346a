"""What each count adds to a score; made by bench/complexity/fit.py, not by hand.

In shares of questions: 0.1 is one question in ten more that only the strong model answers. QUANTILES are the
sums of the questions that the weights were fitted on, of both kinds as if there were as many.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CHOICE: Final[Mapping[str, float]] = MappingProxyType(
    {
        "base": 0.12831,
        "length": 0.00363,
        "length_over_120": 0.00432,
        "sentences": 0.01056,
        "ands": -0.02627,
        "decimals": -0.02982,
        "condition": 0.00633,
        "sequence": 0.00845,
        "people": 0.00154,
        "past": 0.00854,
        "judging": 0.00994,
        "options_repeat": 0.08169,
        "options_repeat_half": 0.03874,
        "options_length": -0.00550,
        "options_numeric": -0.04327,
        "options_commas": 0.03231,
        "option_word_length": -0.00419,
        "numeric_of_numbers": -0.11717,
        "word_length": -0.00688,
        "question_mark": -0.01143,
        "vignette": 0.02635,
        "symbols": -0.12864,
        "statements": 0.09650,
    }
)

OPEN: Final[Mapping[str, float]] = MappingProxyType(
    {
        "base": -0.06942,
        "length": 0.02523,
        "length_over_120": 0.02681,
        "sentences": 0.01373,
        "commas": 0.02522,
        "ands": 0.02472,
        "decimals": -0.04538,
        "relation": 0.01421,
        "sequence": 0.02167,
        "sharing": 0.00242,
        "people": 0.00525,
        "past": 0.01329,
        "numbers": 0.00573,
        "names": 0.00546,
    }
)

QUANTILES: Final = (
    -0.28260, -0.06424, -0.01734, 0.01960, 0.04032, 0.05263, 0.05823, 0.06189, 0.06532, 0.06839,
    0.07087, 0.07319, 0.07507, 0.07661, 0.07842, 0.07993, 0.08154, 0.08271, 0.08386, 0.08508,
    0.08637, 0.08749, 0.08882, 0.09030, 0.09171, 0.09292, 0.09468, 0.09634, 0.09813, 0.09992,
    0.10165, 0.10310, 0.10516, 0.10709, 0.10951, 0.11184, 0.11467, 0.11761, 0.12013, 0.12238,
    0.12462, 0.12854, 0.13083, 0.13250, 0.13503, 0.13804, 0.14179, 0.14433, 0.14678, 0.14943,
    0.15212, 0.15513, 0.15717, 0.15922, 0.16147, 0.16411, 0.16648, 0.16977, 0.17144, 0.17433,
    0.17639, 0.17907, 0.18191, 0.18432, 0.18650, 0.18831, 0.19129, 0.19349, 0.19670, 0.19965,
    0.20435, 0.20648, 0.20917, 0.21187, 0.21353, 0.21694, 0.21894, 0.22123, 0.22475, 0.22773,
    0.23145, 0.23510, 0.24054, 0.24402, 0.24738, 0.25153, 0.25444, 0.25831, 0.26433, 0.27068,
    0.27611, 0.28267, 0.29334, 0.29897, 0.30577, 0.31415, 0.31773, 0.32201, 0.33090, 0.34029,
    0.38596,
)  # fmt: skip
