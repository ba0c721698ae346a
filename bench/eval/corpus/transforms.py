"""The disguises of threats.md: how somebody writes a value so that a pattern does not see it and a model does.

A value transform rewrites one value, a text transform the words around it or the whole text. Each answers None where
it makes no sense, such as Chinese numerals for an e-mail address. Names are those of the tables in docs/detection.md.
"""

import base64
import gzip
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

_ASCII = "".join(chr(code) for code in range(0x21, 0x7F))
_FULL_WIDTH = str.maketrans(_ASCII, "".join(chr(ord(character) + 0xFEE0) for character in _ASCII))
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_BOLD = str.maketrans(
    string.digits + string.ascii_letters,
    "".join(chr(0x1D7CE + place) for place in range(10))
    + "".join(chr(0x1D41A + place) for place in range(26))
    + "".join(chr(0x1D400 + place) for place in range(26)),
)
_ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
_DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
_HAN = str.maketrans("0123456789", "零一二三四五六七八九")
_HAN_FORMAL = str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖")
_HAN_SPOKEN = str.maketrans("0123456789", "零幺二三四五六七八九")
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_LOOK_ALIKE = str.maketrans("aeopcxyiABEHKMOPCTX", "аеорсхуіАВЕНКМОРСТХ")

_SIMPLIFIED = (
    "证号码电话机护联系银账户开税统会医疗诊断确复写话长时间请帮个这来给说让对发户样应当时为与们认产单书报费额转财务总经贷款资赔际国东车"
    "现实际处办员么过还从关动务问题网络际传达质线级别际业营执执门办声义务记录页边险险际区别处师发实际还没办妈爸孙别写"
    "寄递订购买卖价钱奖绩润预约购议团队员际级议题验证据归档庆纪证词诉讼签护际币址链钥脸马鸟龙"
)
_TRADITIONAL = (
    "證號碼電話機護聯繫銀賬戶開稅統會醫療診斷確復寫話長時間請幫個這來給說讓對發戶樣應當時為與們認產單書報費額轉財務總經貸款資賠際國東車"
    "現實際處辦員麼過還從關動務問題網絡際傳達質線級別際業營執執門辦聲義務記錄頁邊險險際區別處師發實際還沒辦媽爸孫別寫"
    "寄遞訂購買賣價錢獎績潤預約購議團隊員際級議題驗證據歸檔慶紀證詞訴訟簽護際幣址鏈鑰臉馬鳥龍"
)
_TO_TRADITIONAL = str.maketrans(
    dict(zip(_SIMPLIFIED, _TRADITIONAL, strict=True))
    | dict(zip("邮箱历档编驾驶传座历职", "郵箱歷檔編駕駛傳座歷職", strict=True))
)
_PINYIN = {
    "身份证": "shenfenzheng",
    "证件号码": "zhengjian haoma",
    "手机": "shouji",
    "电话": "dianhua",
    "座机": "zuoji",
    "银行卡": "yinhangka",
    "卡号": "kahao",
    "账号": "zhanghao",
    "护照": "huzhao",
    "密码": "mima",
    "微信": "weixin",
    "住院号": "zhuyuanhao",
    "病历号": "binglihao",
    "门诊号": "menzhenhao",
    "社保": "shebao",
    "医保": "yibao",
    "驾驶证": "jiashizheng",
    "驾照": "jiazhao",
    "车牌": "chepai",
    "姓名": "xingming",
    "患者": "huanzhe",
    "地址": "dizhi",
    "住址": "zhuzhi",
    "通行证": "tongxingzheng",
    "出生日期": "chusheng riqi",
    "生日": "shengri",
    "邮箱": "youxiang",
    "工资": "gongzi",
    "税号": "shuihao",
}

ValueTransform = Callable[[str], str | None]
TextTransform = Callable[[str], str | None]


def _digits_only(value: str, least: int = 6) -> bool:
    solid = [character for character in value if character not in " -()+.·/"]
    return len(solid) >= least and all(character.isdecimal() and character.isascii() for character in solid)


def _for_digits(table: Mapping[int, int | str]) -> ValueTransform:
    return lambda value: value.translate(table) if _digits_only(value) else None


def _if_changed(rewritten: Callable[[str], str]) -> ValueTransform:
    def apply(value: str) -> str | None:
        changed = rewritten(value)
        return changed if changed != value else None

    return apply


def _between(separator: str, every: int = 1) -> ValueTransform:
    """`separator` between the characters of a value, `every` so many."""

    def apply(value: str) -> str | None:
        if len(value) < 4 or "\n" in value:
            return None
        return separator.join(value[place : place + every] for place in range(0, len(value), every))

    return apply


def _between_digits(separator: str, every: int = 1) -> ValueTransform:
    def apply(value: str) -> str | None:
        solid = "".join(character for character in value if character.isalnum())
        # Resident IDs end in x, and are the one identifier with a letter whose digits people space out.
        if not (_digits_only(value, 9) or (len(solid) == 18 and solid[:17].isdecimal())):
            return None
        if "+" in value or value.count(".") == 3:  # the sign and the dots are what makes these what they are
            return None
        return separator.join(solid[place : place + every] for place in range(0, len(solid), every))

    return apply


def _spelled(value: str) -> str | None:
    if not _digits_only(value):
        return None
    return " ".join(_WORDS[int(character)] for character in value if character.isdecimal())


def _encoded(encode: Callable[[bytes], bytes], least: int = 8) -> ValueTransform:
    # Shorter values give blobs that no reader, human or model, would take for a blob.
    return lambda value: encode(value.encode()).decode() if len(value) >= least else None


def _escaped(value: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in value)


def _entities(value: str) -> str:
    return "".join(f"&#{ord(character)};" for character in value)


def _quoted_printable(value: str) -> str:
    return "".join(f"={byte:02X}" for byte in value.encode())


def _percent(value: str) -> str:
    return "".join(f"%{byte:02X}" for byte in value.encode())


def _gzipped(raw: bytes) -> bytes:
    return base64.b64encode(gzip.compress(raw, mtime=0))


def _tags(value: str) -> str | None:
    return (
        "".join(chr(0xE0000 + ord(character)) for character in value) if value.isascii() and "\n" not in value else None
    )


VALUE_TRANSFORMS: Mapping[str, ValueTransform] = MappingProxyType(
    {
        "as written": lambda value: value,
        "full-width": _if_changed(lambda value: value.translate(_FULL_WIDTH)),
        "circled digits": _for_digits(_CIRCLED),
        "mathematical bold": _if_changed(lambda value: value.translate(_BOLD)),
        "zero-width space": _between("\u200b", 3),
        "zero-width joiner, each": _between("\u200d"),
        "soft hyphen": _between("\u00ad", 4),
        "word joiner": _between("\u2060", 2),
        "byte order mark": _between("\ufeff", 5),
        "variation selector": _between("\ufe0f", 2),
        "bidi marks": lambda value: f"\u202d{value[:2]}\u200e{value[2:]}\u202c" if len(value) >= 4 else None,
        "hangul filler": _between("\u3164", 4),
        "tag characters": _tags,
        "keycaps": _for_digits({ord(digit): f"{digit}\ufe0f\u20e3" for digit in string.digits}),
        "Cyrillic look-alikes": _if_changed(lambda value: value.translate(_LOOK_ALIKE)),
        "Arabic-Indic digits": _for_digits(_ARABIC),
        "Devanagari digits": _for_digits(_DEVANAGARI),
        "Chinese numerals": _for_digits(_HAN),
        "formal Chinese numerals": _for_digits(_HAN_FORMAL),
        "spoken Chinese numerals": _for_digits(_HAN_SPOKEN),
        "spelled in English": _spelled,
        "a space between digits": _between_digits(" "),
        "spaces every three": _between_digits(" ", 3),
        "dashes every four": _between_digits("-", 4),
        "dots every four": _between_digits(".", 4),
        "slashes every four": _between_digits("/", 4),
        "emoji between digits": _between_digits("🙂"),
        "a newline in the middle": lambda value: _between_digits("\n", 9)(value),
        "base64": _encoded(base64.b64encode),
        "URL-safe base64": _encoded(base64.urlsafe_b64encode),
        "base64 twice": _encoded(lambda raw: base64.b64encode(base64.b64encode(raw))),
        "base32": _encoded(base64.b32encode),
        "hex": _encoded(lambda raw: raw.hex().encode()),
        "hex, spaced": _encoded(lambda raw: raw.hex(" ").encode()),
        "gzip and base64": _encoded(_gzipped),
        "percent-encoded": _percent,
        "percent-encoded text": _if_changed(lambda value: quote(value, safe="")),
        "HTML entities": _entities,
        "\\u escapes": _escaped,
        "quoted-printable": _quoted_printable,
    }
)
"""Rewrites of one value."""

TEXT_TRANSFORMS: Mapping[str, TextTransform] = MappingProxyType(
    {
        "whole text in base64": lambda text: base64.b64encode(text.encode()).decode(),
        "whole text in gzip and base64": lambda text: _gzipped(text.encode()).decode(),
        "whole text in hex": lambda text: text.encode().hex(),
        "whole text full-width": lambda text: text.translate(_FULL_WIDTH),
        "whole text percent-encoded": lambda text: quote(text, safe=""),
    }
)
"""Rewrites of everything; the span of a value is then the whole text."""

AROUND_TRANSFORMS: Mapping[str, TextTransform] = MappingProxyType(
    {
        "traditional characters": _if_changed(lambda text: str(text.translate(_TO_TRADITIONAL))),
        "pinyin labels": lambda text: _pinyin(text) if any(word in text for word in _PINYIN) else None,
    }
)
"""Rewrites of the words around the values, not of the values."""

NAMES: tuple[str, ...] = (*VALUE_TRANSFORMS, *AROUND_TRANSFORMS, *TEXT_TRANSFORMS)


def _as_it_is(text: str) -> str | None:
    return text


def _pinyin(text: str) -> str:
    for word, sound in _PINYIN.items():
        text = text.replace(word, sound)
    # Whoever types pinyin sets what follows apart.
    return text + " " if text[-1:].isascii() and text[-1:].isalpha() else text


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value stands in a text."""

    entity: str
    start: int
    end: int
    value: str


def disguised(text: str, marks: tuple[Mark, ...], name: str) -> tuple[str, tuple[Mark, ...]] | None:
    """`text` and its marks under the transform called `name`; None if it changes nothing that is marked."""
    if name in TEXT_TRANSFORMS:
        whole = TEXT_TRANSFORMS[name](text)
        if whole is None or not marks:
            return None
        return whole, tuple(Mark(mark.entity, 0, len(whole), mark.value) for mark in marks)
    value_transform = VALUE_TRANSFORMS.get(name, VALUE_TRANSFORMS["as written"])
    around = AROUND_TRANSFORMS.get(name, _as_it_is)
    pieces: list[str] = []
    moved: list[Mark] = []
    length = done = 0
    has_changed = False
    for mark in (*marks, None):
        piece = text[done : mark.start if mark else len(text)]
        rewritten = around(piece)
        has_changed = has_changed or (rewritten is not None and rewritten != piece)
        pieces.append(piece if rewritten is None else rewritten)
        length += len(pieces[-1])
        if mark is None:
            break
        value = text[mark.start : mark.end]
        changed = value_transform(value)
        has_changed = has_changed or (changed is not None and changed != value)
        pieces.append(value if changed is None else changed)
        moved.append(Mark(mark.entity, length, length + len(pieces[-1]), mark.value))
        length += len(pieces[-1])
        done = mark.end
    if not has_changed and name != "as written":
        return None
    return "".join(pieces), tuple(moved)
