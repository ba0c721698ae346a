"""Runs a package's `server.py` as a child that ends with us: `python -m gateway.lane.rehearsal.container FILE …`."""

import os
import runpy
import signal
import sys

from gateway.backends.tether import call_when_stdin_ends, signal_when_parent_dies

if __name__ == "__main__":
    signal_when_parent_dies(signal.SIGTERM)
    call_when_stdin_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
