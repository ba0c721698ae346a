"""The system's clock behind `ports.Clock`."""

import time


class SystemClock:
    """Monotonic time for measuring, wall time for records; seconds."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
