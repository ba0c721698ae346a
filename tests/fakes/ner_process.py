"""A worker with models that has none: it calls the first word of a text a person, and does whatever a text tells it to.

Run as a program by `gateway/detect/ner_workers.py` in its tests. The one argument is the digest that it reports, or how
it fails to start.
"""

import os
import signal
import sys
import time

from gateway.detect import ner_frames
from gateway.detect.ner_frames import Answer, Frames, Loaded

PERSON = "person"


def say(data: bytes) -> None:
    os.write(1, data)


def raw(*message: object) -> bytes:
    """A frame of anything at all."""
    import msgspec

    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(4, "big") + data


def first_word(text: str) -> list[tuple[str, int, int]]:
    return [(PERSON, 0, len(text.split()[0]))]


def misbehave(word: str, number: int, pieces: int) -> None:
    match word:
        case "HANG":
            time.sleep(60)
        case "DIE":
            os.kill(os.getpid(), signal.SIGKILL)
        case "RAISE":
            raise ValueError
        case "CLOSE":
            os.close(1)
            time.sleep(60)
        case "EARLIER":
            say(ner_frames.frame(Answer(number - 1, [[]] * pieces)))
        case "TWICE":
            say(ner_frames.frame(Answer(number, [[]] * pieces)) * 2)
        case "OUTSIDE":
            say(raw("answer", number, [[(PERSON, 0, 10_000)]] * pieces))
        case "BACKWARDS":
            say(raw("answer", number, [[(PERSON, 3, 1)]] * pieces))
        case "NEGATIVE":
            say(raw("answer", number, [[(PERSON, -3, 1)]] * pieces))
        case "ELSEWHERE":
            say(raw("answer", number, [[("martian", 0, 1)]] * pieces))
        case "FEWER":
            say(ner_frames.frame(Answer(number, [])))
        case "MORE":
            say(ner_frames.frame(Answer(number, [[]] * (pieces + 1))))
        case "MANY":
            say(raw("answer", number, [[(PERSON, 0, 1)] * 50_000] * pieces))
        case "ENDLESS":
            say((1 << 30).to_bytes(4, "big"))
        case "GARBAGE":
            say(b"\x00\x00\x00\x03\xff\xff\xff")
        case "AGAIN":
            say(ner_frames.frame(Loaded(sys.argv[1])))
    time.sleep(60)


def main() -> None:
    match sys.argv[1]:
        case "never-ready":
            time.sleep(60)
        case "exits":
            sys.exit(3)
        case "babbles":
            say(b"Downloading ...\n")
            time.sleep(60)
    # Once, and no more: who says it again is not believed.
    is_asked_for_names = sys.argv[1] == "environment"
    say(ner_frames.frame(Loaded(",".join(sorted(os.environ)) if is_asked_for_names else sys.argv[1])))
    frames = Frames()
    while data := os.read(0, 1 << 16):
        for one in frames.fed(data):
            asked = ner_frames.read_question(one)
            word = asked.pieces[0][1].split()[0]
            if word.isupper():
                misbehave(word, asked.number, len(asked.pieces))
            say(raw("answer", asked.number, [first_word(text) for _, text in asked.pieces]))


main()
