"""Who comes first among pools that share out the first place: by weight, from a draw that is given."""

from collections.abc import Sequence


def in_turn(pools: Sequence[str], weights: Sequence[float], draw: float) -> tuple[str, ...]:
    """`pools` with the one first into whose share `draw` (from 0 to below 1) falls; the others stay as written.

    A pool of weight 0 is never drawn, and is a place to go where the others cannot. If all are 0 nothing is drawn.
    """
    at = draw * sum(weights)
    drawn = 0
    for place, weight in enumerate(weights):
        if weight > 0:
            # Kept also where rounding leaves a rest after the last share.
            drawn = place
            if at < weight:
                break
            at -= weight
    return (pools[drawn], *pools[:drawn], *pools[drawn + 1 :])
