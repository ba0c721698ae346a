"""The process that reads with models, started by its parent and by nobody else: `python -m gateway.cli.ner_worker`.

It answers one question after another on its standard streams, until there are no more. What it is asked about is what
people wrote: it keeps none of it, says nothing to anybody else, and leaves no memory on a disk.
"""

import os
import sys
from typing import BinaryIO, Final

from gateway.detect import ner_frames
from gateway.detect.ner_frames import Answer, Frames, Loaded
from gateway.detect.ner_models import InstalledModels, Models, models_digest
from gateway.detect.ner_text import Language, Piece
from gateway.runtime.lifeline import die_with_parent, forbid_core_files

_CHUNK: Final = 1 << 16
_NICE: Final = 5  # requests that need no model come first
_WARM: Final = (
    Piece(Language.EN, 0, "Please write to John Smith about the report."),
    Piece(Language.ZH, 0, "请写信给王小明，说明报告的情况。"),
)


def main() -> int:
    """Answer until the parent closes the pipe; returns the exit status."""
    die_with_parent()
    forbid_core_files()
    os.nice(_NICE)
    # The answers' pipe is ours alone: whatever else is printed must not get into it.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    models = InstalledModels()
    for piece in _WARM:
        models.named(piece)
    _say(out, ner_frames.frame(Loaded(models_digest())))
    return serve(models, sys.stdin.buffer, out)


def serve(models: Models, questions: BinaryIO, out: BinaryIO) -> int:
    """Answer everything that comes through `questions`; returns the exit status."""
    frames = Frames()
    while data := os.read(questions.fileno(), _CHUNK):
        for one in frames.fed(data):
            asked = ner_frames.read_question(one)
            found = [
                [(named.kind, named.start, named.end) for named in models.named(Piece(language, 0, text))]
                for language, text in asked.pieces
            ]
            _say(out, ner_frames.frame(Answer(asked.number, found)))
    return 0


def _say(out: BinaryIO, data: bytes) -> None:
    """All of it: an unbuffered pipe may take a part."""
    while data:
        data = data[out.write(data) :]


if __name__ == "__main__":
    sys.exit(main())
