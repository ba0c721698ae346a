"""Where secrets are read: from files that nobody else can read, and from the environment.

What is wrong is reported with the place that named the secret; what the secret is, never.
"""

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.config.secret_source import SecretFile, SecretSource
from gateway.core.reading import Reader
from gateway.runtime.keyring import Keyring

MAKE_ONE: Final = "`openssl rand -hex 32` makes one."
_LARGEST: Final = 64 << 10
_SHORTEST_TOKEN: Final = 20


class Secret:
    """A value that shows itself only to whoever asks for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


class SecretFiles:
    """The secrets of one configuration folder, under `environ`; problems go to `reader`."""

    def __init__(self, directory: Path, environ: Mapping[str, str], reader: Reader) -> None:
        self._directory = directory
        self._environ = environ
        self._reader = reader

    def root(self, source: SecretSource) -> Secret:
        """The root secret."""
        return self._secret(source, _is_root, "be at least 32 bytes as hex or base64")

    def token(self, source: SecretSource) -> Secret:
        """A credential for the admin port."""
        return self._secret(source, _is_token, "be at least 20 letters, digits and signs")

    def one_line(self, source: SecretSource) -> Secret:
        """A credential that we send to somebody else."""
        return self._secret(source, _is_credential, "be one line of letters, digits and signs")

    def text_of(self, source: SecretFile) -> str | None:
        """The text of a secret's file; None after reporting why it cannot be used."""
        path = self._directory / source.path
        try:
            if path.stat().st_mode & stat.S_IROTH:
                message = "Everybody on this machine can read this secret's file."
                self._reader.report(source.at, message, f"Run `chmod 600 {source.path}`, and replace the secret.")
                return None
            with path.open("rb") as file:
                return file.read(_LARGEST + 1).decode("ascii")
        except FileNotFoundError:
            self._reader.report(source.at, "This secret's file does not exist.", MAKE_ONE)
        except OSError as error:
            message = f"This secret's file cannot be read ({type(error).__name__})."
            self._reader.report(source.at, message, "Check its owner.")
        except UnicodeDecodeError:
            self._reader.report(source.at, "This secret's file holds bytes that are not text.", "Write it as hex.")
        return None

    def _secret(self, source: SecretSource, is_fit: Callable[[str], bool], must: str) -> Secret:
        value = self.text_of(source) if isinstance(source, SecretFile) else self._environ.get(source.name, "")
        if value is None:
            return Secret("")
        if not value.strip():
            self._reader.report(source.at, "This secret is not set, or empty.", MAKE_ONE)
        elif not is_fit(value.strip()):
            self._reader.report(source.at, f"This secret must {must}.", MAKE_ONE)
        return Secret(value.strip())


def _is_root(value: str) -> bool:
    try:
        Keyring.from_text(value)
    except ValueError:
        return False
    return True


def _is_token(value: str) -> bool:
    return len(value) >= _SHORTEST_TOKEN and _is_credential(value)


def _is_credential(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value
