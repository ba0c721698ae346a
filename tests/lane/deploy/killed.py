"""Runs `tidegate sagemaker …` and kills itself with SIGKILL right after the nth call that changes something at AWS."""

import os
import signal
import sys

from gateway.cli.main import main
from gateway.lane.deploy import aws

AFTER, ARGUMENTS = int(sys.argv[1]), sys.argv[2:]
READS = ("Get", "Describe", "List", "Head")
ask, changes = aws.Network.ask, []


def counted(self, call):
    answer = ask(self, call)
    if not call.operation.startswith(READS):
        changes.append(call.operation)
        if len(changes) == AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
    return answer


aws.Network.ask = counted
sys.exit(main(ARGUMENTS))
