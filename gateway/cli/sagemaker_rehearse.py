"""`tidegate sagemaker rehearse`: the lane's whole life on this machine, without an account, and a table of it.

The same code as in earnest runs against stand-ins on loopback; no key is looked for and no other machine is asked.
What only AWS can show is said at the end.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.backends.embedded import EmbeddedModelFailed, demo_model_file
from gateway.cli.demo_shipped import shipped_file
from gateway.cli.demo_table import width
from gateway.cli.endings import told
from gateway.cli.page import Page
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.sagemaker_lane import FILE, package_path, page_of, read_lane, screen_of, telling
from gateway.cli.spoken import add_language, language
from gateway.core.deployment import Access, Lane, Scaling
from gateway.core.problems import Problem, Problems
from gateway.lane.rehearsal.children import DidNotStart, multi_model_server, own_server
from gateway.lane.rehearsal.parcel import NotAPackage, pack
from gateway.lane.rehearsal.rehearse import Container, Rehearsal, Row
from gateway.policy.words import Language, Table, fill

_LANE: Final = Lane(
    name="rehearsal",
    region="eu-central-1",
    package="model.tar.gz",
    bucket="rehearsal",
    image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/tidegate:rehearsal",
    instance="ml.g5.xlarge",
    scaling=Scaling(concurrent=2),
)
_NEEDED: Final = ("moto", "flask", "flask_cors", "botocore")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `rehearse`."""
    parser = commands.add_parser(
        "rehearse",
        help="do all of it on this machine, without an account, and show what happened",
        description="Upload, deploy, invoke, burst, scale, warm, update, take back, destroy: against moto and "
        "stand-ins of ours, with a real model in the container where the extra `demo` is installed.",
    )
    parser.add_argument("--file", metavar="FILE", type=Path, help=f"a {FILE} to rehearse; a small one if not given")
    parser.add_argument(
        "--toolkit",
        metavar="PYTHON",
        type=Path,
        help="a Python with sagemaker-inference and multi-model-server, to be the container (needs Java)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)
    parser.set_defaults(run=told(_rehearse))


def _rehearse(arguments: argparse.Namespace) -> int:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        message = f"A rehearsal needs the package `{missing[0]}`."
        raise Misuse("tidegate sagemaker rehearse", message, "pip install 'tidegate[rehearse]'")
    spoken, page = language(arguments), page_of()
    rows: list[Row] = []
    with _prepared(arguments) as (lane, package, folder, container), telling(arguments.file or Path(FILE)):
        rehearsal = Rehearsal(lane, package, folder, screen_of(arguments), container)
        try:
            rows += rehearsal.rows()
        except DidNotStart as failure:
            raise _problem(f"{failure} did not start.", "Is something else using this machine's memory?") from None
        except NotAPackage:
            raise _problem("The package cannot be unpacked.", "Make one as sagemaker/README.md says.") from None
    is_good = all(row.is_good for row in rows)
    if arguments.json:
        shown = [{"step": row.key, "ok": row.is_good, "seconds": round(row.seconds, 2), **row.facts} for row in rows]
        print(text_of({"ok": is_good, "container": container is not None, "steps": shown}))
    else:
        _show(page, rows, spoken, has_container=container is not None)
    return GOOD if is_good else FOUND


def _problem(message: str, mend: str) -> Problems:
    return Problems([Problem("tidegate sagemaker rehearse", 0, 0, message, mend)])


@contextmanager
def _prepared(arguments: argparse.Namespace) -> Iterator[tuple[Lane, Path, Path, Container | None]]:
    """The lane, its package, a folder that is thrown away, and what runs the package, if anything can."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-rehearsal-")))
        engine = _engine()
        lane, package = _LANE, folder / _LANE.package
        if arguments.file is not None:
            lane = replace(read_lane(arguments.file), access=Access(), role=None)
            package = package_path(lane, arguments.file)
        if not package.is_file():
            package = folder / "rehearsal.tar.gz"
            pack(shipped_file("sagemaker", "inference.py").parent, engine, package)
        yield lane, package, folder, _container(arguments.toolkit) if engine is not None else None


def _engine() -> Path | None:
    """The demo's model, if it and what runs it are installed."""
    try:
        return demo_model_file() if find_spec("xllamacpp") is not None else None
    except EmbeddedModelFailed:
        return None


def _container(toolkit: Path | None) -> Container:
    # Not resolved: a virtual environment's Python is a link, and where it stands says which environment it is.
    return partial(multi_model_server, python=toolkit.absolute()) if toolkit is not None else own_server


def _show(page: Page, rows: list[Row], spoken: Language, *, has_container: bool) -> None:
    widest = max(width(fill(_WORDS, row.key, spoken)) for row in rows)
    for row in rows:
        what = fill(_WORDS, row.key, spoken)
        facts = fill(_WORDS, f"{row.key}_facts", spoken, **row.facts) if f"{row.key}_facts" in _WORDS else ""
        mark = "✓" if row.is_good else "✗"
        page.say(f"  {mark} {what}{' ' * (widest - width(what))}  {row.seconds:5.1f} s  {facts}".rstrip())
    if not has_container:
        page.say(fill(_WORDS, "no_container", spoken))
    is_good = all(row.is_good for row in rows)
    page.say(fill(_WORDS, "good" if is_good else "bad", spoken))
    page.say(fill(_WORDS, "not_shown", spoken))


_WORDS: Final[Table] = MappingProxyType(
    {
        "stood_up": ("AWS stands in on this machine", "本机模拟的 AWS 已就绪"),
        "deployed": ("deployed", "已部署"),
        "deployed_facts": ("{steps} steps, {mib} MiB uploaded", "{steps} 步，已上传 {mib} MiB"),
        "idempotent": ("a second run finds nothing to do", "再次运行无事可做"),
        "fetched": ("the container's package is the one that was sent", "容器取到的模型包与上传的一致"),
        "fetched_facts": ("{files} files", "{files} 个文件"),
        "loaded": ("the container answers", "容器可应答"),
        "invoked": ("a whole answer, signed", "带签名的完整回答"),
        "streamed": ("a stream, to its end", "流式回答至结束"),
        "streamed_facts": ("{parts} parts", "{parts} 段"),
        "burst": ("a burst", "突发请求"),
        "burst_facts": (
            "{answered} of {sent} answered, {most} at once",
            "{sent} 个中回答 {answered} 个，最多并发 {most}",
        ),
        "scaled": ("scaled as the registered rule would", "按已注册规则伸缩"),
        "scaled_facts": ("to {count}, between {least} and {most}", "至 {count}，范围 {least}–{most}"),
        "warmed": ("kept warm, with its end at AWS first", "预热，且先登记结束时间"),
        "warmed_facts": ("at least {least} until {until} UTC", "至少 {least}，至 {until}（UTC）"),
        "updated": ("updated blue and green", "蓝绿更新"),
        "taken_back": ("an update with an alarm is taken back", "触发告警的更新被回退"),
        "back": ("back to the version before", "回到上一版本"),
        "destroyed": ("destroyed, and nothing is left", "已删除且无残留"),
        "destroyed_facts": ("{left} left", "残留 {left}"),
        "no_container": (
            "No model answered: that takes the extra `demo` (`make setup`).",
            "没有运行模型：需要安装 `demo` 附加项（`make setup`）。",
        ),
        "good": ("All of it went as it should.", "全部按预期完成。"),
        "bad": ("Something did not go as it should.", "有步骤未按预期完成。"),
        "not_shown": (
            "moto and our stand-ins played AWS. They check no permission and bill nothing, and only AWS can show "
            "how long instances take to start, what CloudWatch measures and when, and whether a quota is enough.",
            "AWS 由 moto 和本项目的替身模拟：不检查权限、不计费；"
            "实例启动耗时、CloudWatch 指标与时机、配额是否足够，只有在真实 AWS 上才能知道。",
        ),
    }
)
