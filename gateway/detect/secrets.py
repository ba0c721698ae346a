"""Secrets: keys and tokens that have a form of their own, and values that a password-like name announces. Pure."""

import re

from gateway.detect.rules import GAP, LEFT, RIGHT, Rule

_TAIL = r"(?![0-9A-Za-z_])"
_TOKEN = r"[0-9A-Za-z_-]"
_NAMES = (
    r"(?:(?<![a-z])(?:pass(?:word|wd|phrase|code)?|pwd|(?:client|app|consumer|shared|webhook|signing|jwt)[_.\s-]?secret"
    r"(?:[_.\s-]?key)?|secret(?:[_.\s-]?(?:access[_.\s-]?)?key)?|(?:api|access|auth|refresh|bearer|session|bot|private"
    r"|account|master|encryption|service)[_.\s-]?(?:key|token)|token|mima|kouling)"
    # A Latin letter may touch these: "root密码".
    r"|密码|密碼|口令|秘钥|密钥|密鑰|令牌|暗号|授权码)"
)
_STEMS = (
    r"(?i)(?:pass(?:word|wd|phrase|code)?|pwd|secret|key|token|mima|kouling"
    r"|密码|密碼|口令|秘钥|密钥|密鑰|令牌|暗号|授权码)"
)
_NAMED = _STEMS + r"[\"'’”`]?\s{0,3}[:=：＝]"
_TELLS = r"(?:is|was|are|shi|[^0-9A-Za-z\n，。,.;；:：!?！？]{0,6}(?:是|为|為|成|叫|用|填|设|默认|输入))"
_TOLD = _STEMS + rf"[\"'’”`]?\s{{0,3}}{_TELLS}"
# Between a word for a password and one that looks like it.
_BESIDE = r"(?:[^0-9A-Za-z\n，。,.;；!?！？]{0,12}|\s{1,2}(?:to|of|as|using|with|called)?\s?[\"'“‘`(]{0,2})"

# What stands where a secret would, and is none.
_PLACEHOLDER = re.compile(
    r"(?i)(?:[*x•.#_-]+|<.*|\$\{?.*|\{\{?.*|%\(.*|%[a-z]|your[_-]?.*|my[_-]?(?:pass|secret|token|api).*|(?:pass"
    r"|secret|token)[_-]?.{0,6}"
    r"|example.*|change[_-]?me|redacted|masked|hidden|placeholder|none|null|nil|true|false|str|string|int"
    r"|integer|bool|number"
    r"|object|any|bytes|text|required|optional|default|undefined|unknown|empty|missing|invalid|expired"
    r"|incorrect|wrong|reset"
    r"|valid|correct|field|value|input|name|prompt|os\.[a-z.]*|env\.?[a-z.]*|process\.[a-z.]*"
    r"|self\.[a-z_.]*|settings\.[a-z_.]*"
    r"|config\.[a-z_.]*|getenv.*|get_?pass.*|[a-z_.]+\(.*|[a-z_.]+\[.*)\Z"
)


def _is_secret_value(text: str) -> bool:
    if _PLACEHOLDER.match(text):
        return False
    # One lower-case or capitalised word is prose about passwords, not a password.
    return not (text.isalpha() and text.isascii() and (text[1:].islower() or len(text) < 6)) or len(text) >= 20


_NO_PASSWORD = re.compile(r"(?i)(?:sha|md|aes|rsa|base|iso|rfc|utf|oauth|http|ipv|web|win|iphone|pbkdf|x)-?[0-9]")


def _looks_like_password(text: str) -> bool:
    kinds = (
        any(character.isdigit() for character in text),
        any(character.islower() for character in text),
        any(character.isupper() for character in text),
        any(mark in text[:-1] for mark in "!@#$%^&*_+=") or text[-1] in "!@#$%^&*",
    )
    enough = (kinds[0] and (kinds[1] or kinds[2]) and kinds[3]) or (sum(kinds) >= 3 and len(text) >= 8)
    return enough and _NO_PASSWORD.match(text) is None


def _is_mixed(text: str) -> bool:
    return any(character.isdigit() for character in text) and any(character.isalpha() for character in text)


def _is_told(text: str) -> bool:
    return (_is_mixed(text) and _NO_PASSWORD.match(text) is None) or any(mark in text[:-1] for mark in "!@#$%^&*_+=")


def _secret(name: str, pattern: str, score: float = 0.98, trigger: str | None = None) -> Rule:
    return Rule(name, "CREDENTIAL", pattern, score, compact=False, trigger=trigger)


SECRETS: tuple[Rule, ...] = (
    Rule(
        "openai-style-key",
        "CREDENTIAL",
        LEFT + rf"sk-{_TOKEN}{{16,200}}",
        0.95,
        check=_is_mixed,
        compact=False,
    ),
    _secret("stripe-key", LEFT + r"(?:sk|pk|rk)_(?:live|test)_[0-9A-Za-z]{16,128}" + RIGHT),
    _secret("stripe-webhook", LEFT + r"whsec_[0-9A-Za-z]{24,64}" + RIGHT),
    _secret("github-token", LEFT + r"gh[pousr]_[0-9A-Za-z]{30,255}"),
    _secret("github-pat", LEFT + r"github_pat_[0-9A-Za-z_]{22,255}"),
    _secret("gitlab-token", LEFT + rf"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-{_TOKEN}{{20,64}}"),
    _secret("aws-key-id", LEFT + r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[0-9A-Z]{16}" + RIGHT),
    _secret(
        "aws-secret",
        r"(?i:aws|secret)[a-z_.\sA-Z-]{0,24}key[a-z_\s]{0,8}[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?P<v>[0-9A-Za-z/+]{40})(?![0-9A-Za-z/+])",
        trigger=r"(?i)(?:aws|secret)[a-z_.\s-]{0,24}key",
    ),
    _secret("alibaba-key-id", LEFT + r"LTAI[0-9A-Za-z]{12,24}" + RIGHT),
    _secret("tencent-key-id", LEFT + r"AKID[0-9A-Za-z]{13,40}" + RIGHT),
    _secret("google-key", LEFT + rf"AIza{_TOKEN}{{35}}" + _TAIL),
    _secret("google-oauth", LEFT + rf"(?:ya29\.|GOCSPX-){_TOKEN}{{20,200}}"),
    _secret("slack-token", LEFT + r"xox[abeoprs]-[0-9A-Za-z-]{10,200}"),
    _secret("slack-webhook", r"hooks\.slack\.com/services/T[0-9A-Za-z_]{6,12}/B[0-9A-Za-z_]{6,14}/[0-9A-Za-z_]{18,32}"),
    _secret("hugging-face-token", LEFT + r"hf_[0-9A-Za-z]{30,64}" + RIGHT),
    _secret("npm-token", LEFT + r"npm_[0-9A-Za-z]{36}" + RIGHT),
    _secret("pypi-token", LEFT + rf"pypi-AgE{_TOKEN}{{50,200}}"),
    _secret("sendgrid-key", LEFT + rf"SG\.{_TOKEN}{{16,32}}\.{_TOKEN}{{16,64}}"),
    _secret("digitalocean-token", LEFT + r"do[opr]_v1_[0-9a-f]{64}" + RIGHT),
    _secret("telegram-bot", LEFT + rf"[0-9]{{8,10}}:AA{_TOKEN}{{33}}" + _TAIL, trigger=rf":AA{_TOKEN}{{33}}"),
    _secret("twilio-key", LEFT + r"(?:SK|AC)[0-9a-f]{32}" + RIGHT),
    _secret("age-key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    _secret("vault-token", LEFT + rf"hv[bsr]\.{_TOKEN}{{24,200}}"),
    _secret("azure-account-key", r"AccountKey=[0-9A-Za-z+/=]{40,100}"),
    _secret("azure-signature", r"[?&]sig=[0-9A-Za-z%+/=]{40,100}"),
    _secret("jwt", LEFT + rf"eyJ{_TOKEN}{{8,200}}\.{_TOKEN}{{4,100}}"),
    _secret("private-key", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"),
    _secret("putty-key", r"PuTTY-User-Key-File-[0-9]:"),
    _secret(
        "connection-string",
        r"(?<![0-9A-Za-z+.-])[A-Za-z][0-9A-Za-z+.-]{1,20}://[^\s:/@?#\"'<>]{0,64}:(?P<v>[^\s/@\"'<>]{1,100})@[0-9A-Za-z\[]",
        0.95,
        trigger=r"://[^\s:/@?#]{0,64}:[^\s/@]",
    ),
    Rule(
        "bearer",
        "CREDENTIAL",
        r"(?<![a-z])(?:bearer|authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:basic|token|apikey))\s{1,3}"
        r"(?P<v>[0-9a-z._~+/=-]{12,200})",
        0.9,
        check=_is_mixed,
        compact=False,
        ignore_case=True,
        trigger=r"(?i)bearer\s|authorization",
    ),
    Rule(
        "named-secret",
        "CREDENTIAL",
        # `password: x`, `"api_key" = "x"`, `--token=x`, 密码：x
        _NAMES + r"[\"'’”`]?\s{0,3}(?:[:=：＝]{1,2}|=>)\s{0,3}[\"'“‘`]{0,2}"
        r"(?P<v>[^\s\"'“”‘’`,，;；。、)）\]}<>|]{4,100})",
        0.85,
        check=_is_secret_value,
        compact=False,
        ignore_case=True,
        trigger=_NAMED,
    ),
    Rule(
        "told-secret",
        "CREDENTIAL",
        # "the password is hunter2", 密码是 hunter2: prose, so the value must look like no word.
        _NAMES + rf"[\"'’”`]?\s{{0,3}}{_TELLS}" + r"\s{0,3}[:：]?\s{0,2}[\"'“‘`]{0,2}"
        r"(?P<v>[0-9a-z!@#$%^&*_+=?~.\\/-]{4,100})",
        0.8,
        check=_is_told,
        compact=False,
        ignore_case=True,
        trigger=_TOLD,
    ),
    Rule(
        "password-beside",
        "CREDENTIAL",
        # "with password Winter@2021", 密码Winter@2021: nothing announces it, so it must look like nothing else.
        r"(?:(?<![a-z])(?:pass(?:word|wd|phrase|code)?|pwd|psw|pw|mima)|密码|密碼|口令|暗号|授权码)"
        + _BESIDE
        + r"(?P<v>[0-9a-z!@#$%^&*_+=?~.-]{6,64})(?![0-9a-z@])",
        0.8,
        check=_looks_like_password,
        compact=False,
        ignore_case=True,
        trigger=r"(?i)(?:pass(?:word|wd|phrase|code)?|pwd|psw|pw|密码|密碼|口令|暗号|授权码|mima)"
        + _BESIDE
        + r"[0-9a-z!@#$%^&*_+=?~.-]{6}",
    ),
    # "Winter@2021 is the wifi password", Winter@2021（密码）
    Rule(
        "password-before-word",
        "CREDENTIAL",
        r"(?<![0-9a-z!@#$%^&*_+=?~./-])(?P<v>[0-9a-z!@#$%^&*_+=?~.-]{6,64})\s?(?:[（(]|是|as|is)\s?(?:the|my|our|a)?\s?"
        r"[^0-9\n，。,.;；!?！？]{0,12}(?:password|passcode|pwd|密码|密碼|口令)",
        0.75,
        check=_looks_like_password,
        compact=False,
        ignore_case=True,
        trigger=r"(?i)password|passcode|pwd|密码|密碼|口令",
    ),
    Rule(
        "user-slash-password",
        "CREDENTIAL",
        r"(?<![0-9a-z/])(?:root|admin|administrator|sa|postgres|oracle|mysql|test|guest|ubuntu|user)\s?[/:：|]\s?"
        r"(?P<v>[0-9a-z!@#$%^&*_+=?~.-]{6,64})(?![0-9a-z@/])",
        0.75,
        check=lambda text: _looks_like_password(text) and any(mark in text for mark in "!@#$%^&*"),
        compact=False,
        ignore_case=True,
        trigger=r"(?i)(?:root|admin|administrator|sa|postgres|oracle|mysql|test|guest|ubuntu|user)\s?[/:：|]\s?"
        r"[0-9a-z!@#$%^&*_+=?~.-]{6}",
    ),
    Rule(
        "user-and-password",
        "CREDENTIAL",
        r"(?:账号密码|用户名密码|credentials?|login|user(?:name)?/pass(?:word)?)"
        + GAP
        + r"(?P<v>[0-9a-z._@-]{2,40}\s?/\s?[^\s/,，;；。]{4,60})",
        0.7,
        check=_is_mixed,
        compact=False,
        ignore_case=True,
        trigger=r"(?i)账号密码|用户名密码|credential|login|user(?:name)?/pass",
    ),
)
