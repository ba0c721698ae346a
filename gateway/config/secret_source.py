"""Where a secret is to be found. Never the secret: a literal one in a file is an error."""

import re
from dataclasses import dataclass
from typing import Final

from gateway.core.reading import Reader
from gateway.core.written import Node, Place, Scalar

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """In a file, relative to the configuration's folder."""

    path: str
    at: Place

    def __str__(self) -> str:
        return f"{{file: {self.path}}}"


@dataclass(frozen=True, slots=True)
class SecretEnv:
    """In an environment variable."""

    name: str
    at: Place

    def __str__(self) -> str:
        return f"{{env: {self.name}}}"


SecretSource = SecretFile | SecretEnv


def secret_source(reader: Reader, node: Node | None, what: str) -> SecretSource | None:
    """`{file: path}` or `{env: NAME}`."""
    if isinstance(node, Scalar):
        mend = "Write `{file: path}` or `{env: NAME}`, and replace the secret: it was readable here."
        reader.report(node.at, f"{what} must not stand in this file itself.", mend)
        return None
    fields = reader.fields(node, what, ("file", "env"))
    file, env = reader.text(fields.get("file"), "`file`"), reader.text(fields.get("env"), "`env`")
    if node is not None and (file is None) == (env is None):
        reader.report(node.at, f"{what} comes from exactly one place.", "Write `{file: path}` or `{env: NAME}`.")
        return None
    if env is not None and not _VARIABLE.fullmatch(env.text):
        reader.report(env.at, "This is not the name of an environment variable.", "Write `{env: NAME}`.")
        return None
    if file is not None:
        return SecretFile(file.text, file.at)
    return SecretEnv(env.text, env.at) if env is not None else None
