"""Runs `sagemaker/server.py` as a child that ends with the demo: `python -m gateway.cli.demo_container ARGUMENTS…`.

The file is the one that goes into SageMaker's container, run by its path and unchanged.
"""

import runpy
import signal

from gateway.backends.tether import call_when_stdin_ends, signal_when_parent_dies
from gateway.cli.demo_shipped import shipped_file
from gateway.cli.tethered import stop

if __name__ == "__main__":
    signal_when_parent_dies(signal.SIGTERM)
    call_when_stdin_ends(stop)
    runpy.run_path(str(shipped_file("sagemaker", "server.py")), run_name="__main__")
