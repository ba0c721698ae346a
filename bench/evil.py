"""Requests that are made to keep a scan busy, of any length, and what one of them does to an event loop beside it.

Every case aims at one step: a pattern that nearly matches all through, views without end, blobs in blobs, leaves
without number. What is measured is processor time: how long the machine was busy with others is nobody's fault here.
"""

import asyncio
import base64
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.core.findings import Evidence

Document = dict[str, object]
TICK_S: Final = 0.001
MOST_LEAVES: Final = 100_000

REPEATED: Final = {
    "digits": "1234567890",
    "a.": "a.",
    "a@": "a@",
    "192.168.": "192.168.",
    "1-": "1-",
    "1:2:": "1:2:",
    "00-11-22-": "00-11-22-",
    "digits and spaces": "4 5 1 2 9 ",
    "Chinese numerals": "一二三四五六七八九〇",
    "Chinese numerals, apart": "一 二-三、",
    "English numerals": "one two three ",
    "combining characters": "e\u0301",
    "a stack of combining characters": "\u0301",
    "zero-width characters": "\u200b",
    "zero-width between digits": "\u200b1",
    "full-width": "１２３４ａｂｃ",
    "traditional characters": "證號碼電話",
    "Cyrillic between Latin": "аb",
    "ligatures": "ﬁ",
    "emoji between digits": "😀1",
    "base64 of an SSN": base64.b64encode(b"My SSN is 536-22-8723 ok").decode() + " ",
    "hex": "414243",
    "hex, spaced": "41 42 ",
    "percent": "%31",
    "HTML": "&#49;",
    "escapes": "\\u0031",
    "quoted-printable": "=31",
    "brackets": "[",
    "spaces": " ",
    "control tokens": "<|im_start|>",
    "e-mail a@a.a": "a@a.a",
    "e-mail addresses": "bob@corp.internal ",
    "IBAN": "DE89 3704 0044 0532 0130 ",
    "IBAN without spaces": "GB82WEST1234569876543",
    "telephones": "+1 (555) 010-9999 ",
    "nearly telephones": "555-010-999 ",
    "tel": "tel: 1 2 3 4 ",
    "names": "John Smith Mary Jones ",
    "nearly names": "Dear Patient Mr John van der ",
    "Chinese names": "患者张三李四王五",
    "streets": "12 North Main Street ",
    "Chinese addresses": "省市区路号",
    "Chinese streets": "北京市朝阳区建国路",
    "passwords": "password:",
    "told passwords": "the password is ",
    "connection strings": "http://a:b",
    "born": "born on 1 jan ",
    "accounts": "account at my bank for ",
    "a table's header": "name,phone\n",
    "a table": "| name | phone |\n",
    "inserts": "insert into a (name, phone) values ('a','b'),",
    "plain English": "The quick brown fox jumps over the lazy dog. ",
    "plain Chinese": "今天天气很好，我们去公园散步吧。",
}


def said(text: str) -> Document:
    """A chat of one message."""
    return {"messages": [{"role": "user", "content": text}]}


def cases(length: int) -> Iterator[tuple[str, Document]]:
    """Every case, with about so many characters in it."""
    for name, unit in REPEATED.items():
        yield name, said((unit * (length // len(unit) + 1))[:length])
    rng = random.Random(1)  # the same text each time
    yield "random digits", said("".join(rng.choices("0123456789", k=length)))
    yield "base64 of noise", said(base64.b64encode(rng.randbytes(length * 3 // 4)).decode())
    text = ("My name is John Smith, 4111 1111 1111 1111. " * (length // 40 + 1))[: length * 3 // 4]
    yield "base64 of text", said(base64.b64encode(text.encode()).decode())
    yield "JSON in JSON in JSON", said(_nested(length))
    yield "500 levels", said("[" * 500 + "1" + "]" * 500)
    yield "one key", {"metadata": {("key 13812345678 " * (length // 16 + 1))[:length]: 1}}
    yield "leaves", {"stop": ["ab"] * min(MOST_LEAVES, length // 3)}
    yield "as many leaves as are walked", {"stop": ["1"] * min(19_999, length)}


def _nested(length: int) -> str:
    inner = "x 13812345678"
    for _ in range(3):
        inner = json.dumps({"a": inner, "b": [1, 2, {"c": inner}]})
    while len(inner) < length // 4:
        inner = json.dumps([inner, inner])
    return inner


class Scans(Protocol):
    """A scanner, as far as it is needed here."""

    def scan(self, dialect: str, document: object) -> Evidence: ...


@dataclass(frozen=True, slots=True)
class Beside:
    """One scan beside a loop: its processor time and its own time in seconds, and how late the loop's turns were."""

    evidence: Evidence
    cpu_s: float
    wall_s: float
    late_s: tuple[float, ...]


async def beside(executor: Executor, scanner: Scans, document: Document) -> Beside:
    """Scan in a thread, and see how late the loop's turns become.

    A turn counts as late for as long as the scan was running meanwhile: the rest was somebody else's.
    """
    loop = asyncio.get_running_loop()
    started = threading.Event()
    clock: list[int] = []

    def work() -> tuple[Evidence, float, float]:
        clock.append(time.pthread_getcpuclockid(threading.get_ident()))
        started.set()
        cpu, wall = time.thread_time(), time.perf_counter()
        evidence = scanner.scan("chat", document)
        return evidence, time.thread_time() - cpu, time.perf_counter() - wall

    scan = loop.run_in_executor(executor, work)
    started.wait()
    used: Callable[[], float] = lambda: time.clock_gettime(clock[0])  # noqa: E731
    late = []
    while not scan.done():
        cpu, wall = used(), time.perf_counter()
        await asyncio.sleep(TICK_S)
        late.append(max(0.0, min(time.perf_counter() - wall - TICK_S, used() - cpu)))
    return Beside(*await scan, late_s=tuple(late))
