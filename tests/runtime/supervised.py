"""Programs for the supervisor's tests: a supervisor over workers of this file, and the workers, by mode.

`python supervised.py supervise FOLDER WORKERS MODE DRAIN_S` prints the supervisor's log on stderr. Workers answer
with their number, their process id, whether they have the admin port, and the certificate that they were handed;
`order JSON` passes an order on, `controls` answers with what the worker was told. An upgrade finds what was prepared
in the file `next.json`, or fails if there is none; a file `next.mode` is the mode of workers started from then on.
"""

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from gateway.config.addresses import Tcp, Unix
from gateway.core.controls import Order
from gateway.runtime.audit import AuditLog
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring
from gateway.runtime.lifeline import REPLACED, Inherited, die_with_parent, forbid_core_files
from gateway.runtime.plan import Plan
from gateway.runtime.supervise import supervise
from gateway.runtime.supervisor import REFUSED, UNPROVED
from gateway.telemetry import log_to

ROOT = bytes(range(32))
REFUSALS = {"refuses": REFUSED, "unproved": UNPROVED}
CERTIFICATE = b"a-certificate-" * 20_000


def command(mode):
    return lambda config, number, fds: (sys.executable, __file__, "work", config, str(number), fds, mode)


async def serve(inherited, folder, number, mode):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    told = []
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(REPLACED, stop.set)
        inherited.lifeline.when_cut(loop, stop.set, told.append)
    audit = AuditLog(folder / "audit", number, Keyring(ROOT), SystemClock(), on_head=inherited.lifeline.synced)
    audit.open()

    async def answer(reader, writer):
        asked, _, order = (await reader.readline()).decode().partition(" ")
        certificate = hashlib.sha256(inherited.certificate).hexdigest()
        if asked == "order":
            inherited.lifeline.ask(7, msgspec.json.decode(order, type=Order))
            writer.write(b"asked\n")
        elif asked.strip() == "controls":
            writer.write(msgspec.json.encode({"worker": number, "told": told}) + b"\n")
        else:
            writer.write(f"{number} {os.getpid()} {'admin' if inherited.admin else '-'} {certificate}\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, sock=inherited.data)
    inherited.lifeline.ready()
    await stop.wait()
    server.close()
    audit.flush_and_close()


def main():
    if sys.argv[1] == "work":
        _, _, folder, number, fds, mode = sys.argv
        later = Path(folder) / "next.mode"
        mode = later.read_text() if later.exists() else mode
        if mode == "dies":
            sys.exit(3)
        if mode in REFUSALS:
            sys.exit(REFUSALS[mode])
        if mode == "never-ready":
            signal.pause()
        if mode != "untied":
            die_with_parent()
        forbid_core_files()
        asyncio.run(serve(Inherited.from_argument(fds), Path(folder), int(number), mode))
        return 0
    if sys.argv[1] == "prepare":
        prepared = Path(sys.argv[2]) / "next.json"
        sys.stdout.write(prepared.read_text() if prepared.exists() else "")
        return 0 if prepared.exists() else 1
    _, _, folder, workers, mode, drain_s = sys.argv
    log_to(sys.stderr)
    folder = Path(folder)
    return supervise(
        Plan(
            folder,
            folder / "audit",
            Tcp("127.0.0.1", 0),
            Unix(str(folder / "admin.sock")),
            CERTIFICATE,
            int(workers),
            float(drain_s),
            command(mode),
            prepare=lambda config: (sys.executable, __file__, "prepare", config),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
