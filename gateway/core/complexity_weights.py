"""What each count adds to a score; made by bench/complexity/fit.py, not by hand.

In shares of questions: 0.1 is one question in ten more that only the strong model answers. QUANTILES are the
sums of the questions that the weights were fitted on, of both kinds as if there were as many.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CHOICE: Final[Mapping[str, float]] = MappingProxyType(
    {
        "base": 0.13003,
        "length": 0.00338,
        "length_over_120": 0.00407,
        "sentences": 0.00899,
        "ands": -0.02419,
        "decimals": -0.02469,
        "condition": 0.00483,
        "sequence": 0.01096,
        "sharing": 0.00125,
        "people": 0.00146,
        "past": 0.00777,
        "judging": 0.01100,
        "options_repeat": 0.08138,
        "options_repeat_half": 0.03892,
        "options_length": -0.00566,
        "options_numeric": -0.04329,
        "options_commas": 0.03204,
        "option_word_length": -0.00424,
        "numeric_of_numbers": -0.11832,
        "word_length": -0.00706,
        "question_mark": -0.01181,
        "vignette": 0.02578,
        "symbols": -0.12908,
        "statements": 0.09761,
    }
)

OPEN: Final[Mapping[str, float]] = MappingProxyType(
    {
        "base": -0.06671,
        "length": 0.02410,
        "length_over_120": 0.02558,
        "sentences": 0.01593,
        "commas": 0.02563,
        "ands": 0.02504,
        "decimals": -0.04534,
        "relation": 0.01376,
        "sequence": 0.02117,
        "sharing": 0.00261,
        "people": 0.00524,
        "past": 0.01380,
        "numbers": 0.00601,
        "names": 0.00546,
    }
)

QUANTILES: Final = (
    -0.28532, -0.06599, -0.01730, 0.01893, 0.04158, 0.05277, 0.05844, 0.06220, 0.06544, 0.06835,
    0.07088, 0.07316, 0.07462, 0.07633, 0.07804, 0.07971, 0.08102, 0.08236, 0.08365, 0.08491,
    0.08613, 0.08747, 0.08876, 0.08999, 0.09156, 0.09299, 0.09458, 0.09639, 0.09794, 0.09982,
    0.10176, 0.10347, 0.10511, 0.10747, 0.10954, 0.11161, 0.11431, 0.11777, 0.12013, 0.12260,
    0.12499, 0.12787, 0.13045, 0.13259, 0.13485, 0.13808, 0.14145, 0.14417, 0.14681, 0.14922,
    0.15193, 0.15462, 0.15746, 0.15927, 0.16135, 0.16333, 0.16608, 0.16965, 0.17207, 0.17414,
    0.17719, 0.17872, 0.18169, 0.18383, 0.18630, 0.18831, 0.19055, 0.19364, 0.19639, 0.19929,
    0.20426, 0.20601, 0.20855, 0.21080, 0.21331, 0.21619, 0.21835, 0.22135, 0.22453, 0.22719,
    0.23083, 0.23427, 0.23877, 0.24319, 0.24666, 0.25129, 0.25408, 0.25822, 0.26493, 0.27086,
    0.27682, 0.28315, 0.29369, 0.29796, 0.30718, 0.31397, 0.31781, 0.32396, 0.33125, 0.34247,
    0.40302,
)  # fmt: skip
