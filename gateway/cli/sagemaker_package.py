"""`tidegate sagemaker package`: a model.tar.gz from a folder, a GGUF file or S3, checked before anybody uploads it."""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.cli.demo_shipped import shipped_file
from gateway.cli.endings import told
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.sagemaker_lane import add_lane, package_path, page_of, read_lane, screen_of, telling
from gateway.cli.sagemaker_screen import Lines
from gateway.cli.sagemaker_words import say
from gateway.cli.spoken import language
from gateway.config.secret_source import SecretEnv, SecretFile
from gateway.core.deployment import Lane
from gateway.core.parcel import CODE, MANIFEST, problems
from gateway.core.problems import Problem, Problems
from gateway.core.reading import Reader
from gateway.core.written import Place
from gateway.lane.deploy.aws import Network
from gateway.lane.package.fetching import Differs, fetch, stored
from gateway.lane.package.sealing import Changed, Seal, kms_seal, local_seal
from gateway.lane.package.tree import Source, Tree, tree
from gateway.lane.package.writing import Busy, Written, write
from gateway.runtime.secret_files import SecretFiles

_NAME: Final = ".tar.gz"
_CODE: Final = ("inference.py", "requirements.txt", "server.py")
_S3: Final = "s3://"


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `package`."""
    parser = commands.add_parser(
        "package",
        help="make the model.tar.gz that is uploaded",
        description="Pack weights and the container's code: the same input makes the same bytes. What SageMaker would "
        "refuse is refused here. With `encryption.weights` in the file, or a secret, the weights are encrypted.",
    )
    parser.add_argument("weights", metavar="WEIGHTS", help="a folder, a .gguf file, or s3://BUCKET/FOLDER")
    parser.add_argument("--to", metavar="FILE", type=Path, help="default: `package` of the file")
    parser.add_argument("--code", metavar="DIR", type=Path, help="a container's code of your own, with inference.py")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--key-file", metavar="FILE", type=Path, help="encrypt with the secret in this file")
    secret.add_argument("--key-env", metavar="NAME", help="encrypt with the secret in this variable")
    add_lane(parser)
    parser.set_defaults(run=told(_package))


def _package(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    lane = read_lane(file) if arguments.to is None or file.is_file() else None
    spoken, screen, page = language(arguments), screen_of(arguments), page_of()
    to: Path | None = arguments.to or (package_path(lane, file) if lane is not None else None)
    if to is None or not to.name.endswith(_NAME):
        raise Misuse(str(to or file), f"A package's name ends in `{_NAME}`.", "SageMaker takes no other form.")
    if not to.parent.is_dir():
        raise Misuse(str(to), "There is no such folder.", "Make it first.")
    secret = _secret(arguments)
    if secret is not None and lane is not None and lane.weights_key is not None:
        raise Misuse(str(file), "There are two keys: a secret, and `encryption.weights`.", "Remove one of them.")
    code = _code(arguments.code)
    with _weights(arguments, lane, to, screen) as (weights, unchecked):
        _check(weights, code, to)
        with telling(file), _failing(to), screen.measured(str(to)) as tell:
            written = write(to, code.sources, weights.sources, _sealed(secret, lane, file), tell)
    by = "local" if secret is not None else "kms" if lane is not None and lane.weights_key is not None else None
    if arguments.json:
        print(text_of(_facts(to, written, by, weights.left_out + code.left_out, unchecked)))
        return GOOD
    page.say(say("packed", spoken, path=to, files=len(written.entries), mib=f"{written.size / (1 << 20):.1f}"))
    page.say(say("packed_digest", spoken, sha256=written.sha256, manifest=MANIFEST))
    page.say(say(f"packed_{by or 'plain'}", spoken))
    if left_out := weights.left_out + code.left_out:
        page.say(say("packed_without", spoken, count=left_out))
    if unchecked:
        page.say(say("packed_unchecked", spoken, count=unchecked))
    return GOOD


def _facts(to: Path, written: Written, by: str | None, left_out: int, unchecked: int) -> dict[str, object]:
    files = [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in written.entries]
    facts = {"ok": True, "package": str(to), "size": written.size, "sha256": written.sha256, "encrypted_by": by}
    return {**facts, "left_out": left_out, "without_digest": unchecked, "files": files}


def _secret(arguments: argparse.Namespace) -> str | None:
    """The secret that the command line names, if any; raises Problems."""
    file, name = arguments.key_file, arguments.key_env
    if file is None and name is None:
        return None
    reader = Reader([])
    at = Place(str(file) if file is not None else f"--key-env {name}", 0, 0)
    source = SecretFile(str(file.absolute()), at) if file is not None else SecretEnv(name, at)
    secret = SecretFiles(Path(), os.environ, reader).root(source)
    reader.finish()
    return secret.reveal()


def _sealed(secret: str | None, lane: Lane | None, file: Path) -> Seal | None:
    if secret is not None:
        return local_seal(secret)
    if lane is not None and lane.weights_key is not None:
        return kms_seal(_network(lane, file), lane.weights_key, lane.name)
    return None


def _network(lane: Lane, file: Path) -> Network:
    return Network(lane.region, lane.access, file.parent)


def _code(own: Path | None) -> Tree:
    if own is not None:
        return _tree(own, f"{CODE}/")
    found = [tree(shipped_file("sagemaker", name), f"{CODE}/").sources[0] for name in _CODE]
    return Tree(tuple(found))


def _tree(path: Path, prefix: str = "") -> Tree:
    try:
        return tree(path, prefix)
    except OSError as error:
        message = f"This cannot be read ({type(error).__name__})."
        raise Misuse(str(path), message, "Name a folder, a .gguf file, or s3://BUCKET/FOLDER.") from None


@contextmanager
def _weights(arguments: argparse.Namespace, lane: Lane | None, to: Path, screen: Lines) -> Iterator[tuple[Tree, int]]:
    """The weights on this machine, and of how many S3 knew no digest."""
    named: str = arguments.weights
    if not named.startswith(_S3):
        yield _tree(Path(named)), 0
        return
    if lane is None:
        raise Misuse(str(arguments.file), "Weights in S3 need the file: it says how AWS is reached.", "Write it first.")
    bucket, _, place = named.removeprefix(_S3).partition("/")
    with tempfile.TemporaryDirectory(prefix=".tidegate-weights-", dir=to.parent) as folder:
        with telling(arguments.file), _failing(to):
            aws = _network(lane, arguments.file)
            objects = stored(aws, bucket, place)
            _check_room(to, sum(one.size for one in objects) * 2)
            with screen.measured(named) as tell:
                unchecked = fetch(aws, bucket, objects, Path(folder), tell)
        yield _tree(Path(folder)), unchecked


def _check(weights: Tree, code: Tree, to: Path) -> None:
    found = [*weights.problems, *code.problems, *problems(weights.items, code.items)]
    if any(_is_same(source, to) for source in weights.sources):
        found.append(Problem(str(to), 0, 0, "The package would lie among its own weights.", "Name another `--to`."))
    if found:
        raise Problems(found)
    _check_room(to, sum(item.size for item in weights.items))


def _is_same(source: Source, to: Path) -> bool:
    return source.path.absolute() == to.absolute()


def _check_room(to: Path, size: int) -> None:
    if shutil.disk_usage(to.parent).free < size:
        message = f"There is no room for it: it takes {size / (1 << 20):.0f} MiB."
        raise Problems([Problem(str(to.parent), 0, 0, message, "Make room, or name another place with `--to`.")])


@contextmanager
def _failing(to: Path) -> Iterator[None]:
    """Turn what goes wrong with files into sentences."""
    try:
        yield
    except Changed as changed:
        raise Problems([Problem(str(changed), 0, 0, "This file changed while it was packed.", _AGAIN)]) from None
    except Differs as differs:
        message = "What arrived is not what S3 says that it holds."
        raise Problems([Problem(str(differs), 0, 0, message, _AGAIN)]) from None
    except Busy:
        message = "Somebody else is writing this package."
        raise Problems([Problem(str(to), 0, 0, message, "Wait for it, or name another `--to`.")]) from None
    except OSError as error:
        message = f"The package cannot be written ({type(error).__name__})."
        raise Problems(
            [Problem(str(to), 0, 0, message, "Check the folder and its room; nothing was changed.")]
        ) from None


_AGAIN: Final = "Run this again."
