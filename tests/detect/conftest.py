"""One scanner for all tests of this folder: compiling its database takes a second or two."""

import pytest

from gateway.detect.scanner import RequestScanner, build_scanner


@pytest.fixture(scope="session")
def scanner() -> RequestScanner:
    # The clock stands still, so that a slow machine changes no result.
    return build_scanner(("内部", "机密", "Do Not Distribute"), clock=lambda: 0.0)
