"""Which language a report is in: what the command line asks for, where it can, or else the locale."""

import argparse
import os

from gateway.cli.demo_words import language_of
from gateway.policy.words import Language


def add_language(parser: argparse.ArgumentParser) -> None:
    """Let the command line choose the language of a report."""
    parser.add_argument("--language", choices=("en", "zh"), help="default: what your locale says")


def language(arguments: argparse.Namespace) -> Language:
    """The language that the command line or the locale asks for."""
    chosen: str | None = getattr(arguments, "language", None)
    return "zh" if chosen == "zh" else "en" if chosen else of_locale()


def of_locale() -> Language:
    """The language that the locale asks for, where no command line is at hand."""
    return "zh" if language_of(dict(os.environ)) == "zh" else "en"
