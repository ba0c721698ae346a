"""What moves the gates besides requests: model servers' own figures, time, and the ends of overrides."""

from gateway.core.breaker import BreakerState
from gateway.core.burst import pressure_of_server
from gateway.runtime.admission import Admission
from gateway.runtime.controls import ControlDesk
from gateway.runtime.endpoints import Endpoints


class Overflow:
    """Looks round a few times a second. A pool is as pressed as the least pressed of its endpoints, since work goes
    there first; one that is not well, or says nothing of itself, does not count."""

    def __init__(self, admission: Admission, endpoints: Endpoints, desk: ControlDesk) -> None:
        self._admission = admission
        self._endpoints = endpoints
        self._desk = desk
        self._said: dict[str, float] = {}

    def tick(self) -> None:
        """Look round."""
        self._desk.tick()
        said: dict[str, float] = {}
        for one in self._endpoints.views():
            if one.server is None or not one.is_healthy or one.breaker is BreakerState.OPEN:
                continue
            server = one.server
            pressure = pressure_of_server(server.running, server.waiting, server.cache_share)
            said[one.pool] = min(pressure, said.get(one.pool, pressure))
        for pool in self._said.keys() | said.keys():
            self._admission.press(pool, said.get(pool, 0.0))
        self._said = said
        self._admission.tick()
