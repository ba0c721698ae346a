"""Chinese for what is wrong with recognizers.yaml, and with the recognizers of other packages."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Write `(?-i:…)` into a pattern that is to tell cases apart.": "需要区分大小写的表达式请写 `(?-i:…)`。",
        "`global_regex_flags` can only be 26: ignore case, `.` matches everything, `^` and `$` at every line.": (
            "`global_regex_flags` 只能是 26：忽略大小写，`.` 匹配任意字符，`^` 和 `$` 匹配每行首尾。"
        ),
        "Join patterns of one entity.": "请合并同一实体的表达式。",
        "There are more than 200 recognizers.": "识别器超过 200 个。",
        "A predefined recognizer has no `{}`.": "预置识别器没有 `{}`。",
        "Only a predefined recognizer has a `min_score`.": "只有预置识别器才有 `min_score`。",
        "Write it into the policy's rule.": "请写到策略的规则中。",
        "A recognizer needs `patterns` or a `deny_list`.": "识别器需要 `patterns` 或 `deny_list`。",
        "Add one.": "请补上一个。",
        "Shorten it.": "请缩短。",
        "`name` must be at most 100 characters of one line.": "`name` 必须是一行，最多 100 个字符。",
        "A recognizer lacks the key `supported_entity`.": "识别器缺少键 `supported_entity`。",
        "An entity's name must be capitals, digits and `_`, at most 64 of them.": (
            "实体名称必须由大写字母、数字和 `_` 组成，最多 64 个字符。"
        ),
        "Write a name such as `ACME_BADGE`.": "请写 `ACME_BADGE` 这样的名称。",
        "Demand at least one character.": "请要求至少一个字符。",
        "Give both an end, as in `{1,5}`, or write the inner one out.": (
            "请给两者都加上限，例如 `{1,5}`，或将内层展开写出。"
        ),
        "Make several patterns of it.": "请拆成几个表达式。",
        "Match the start of it.": "请只匹配其开头。",
        "Repeat fewer things that may be absent, or that may themselves be of several lengths.": (
            "请减少对可省略或长度不定的部分的重复。"
        ),
        "Simplify it.": "请简化。",
        "Test it with Python's `re` module.": "请用 Python 的 `re` 模块测试。",
        "This expression can match the same text in more ways than anybody could try.": (
            "此表达式匹配同一文本的方式多到无法逐一尝试。"
        ),
        "This expression is longer than 1000 characters.": "此表达式超过 1000 个字符。",
        "This expression is too deep, or repeats too often.": "此表达式嵌套过深或重复次数过多。",
        "This expression matches an empty text.": "此表达式会匹配空文本。",
        "This expression refers back to a group.": "此表达式反向引用了分组。",
        "Write out what may stand there.": "请直接写出该处可能的内容。",
        "This expression repeats without an end what itself repeats without an end.": (
            "此表达式无限重复的内容本身又是无限重复。"
        ),
        "This is no regular expression of Python's (character {}).": "不是 Python 的正则表达式（第 {} 个字符）。",
        "This is no regular expression of Python's.": "不是 Python 的正则表达式。",
        "What this expression matches is longer than 400 characters.": "此表达式匹配的内容超过 400 个字符。",
        "Write more than 0, up to 1.": "请写大于 0 且不超过 1 的数。",
        "{} of 0 finds nothing.": "{} 为 0 时什么也找不到。",
        "Make several recognizers of it.": "请拆成几个识别器。",
        "{} has more than 2000 entries.": "{} 超过 2000 项。",
        "Each of {} must be at most 200 characters.": "{} 的每一项最多 200 个字符。",
        "A recognizer of this name stands further up.": "前面已有同名识别器。",
        "Rename one of them.": "请将其中一个改名。",
        "A recognizer does not answer when it is called.": "有识别器调用后没有应答。",
        "A recognizer must have a `name` of one line and a set of `entities`.": (
            "识别器必须有一行的 `name` 和一组 `entities`。"
        ),
        "A recognizer raises an exception when it is called.": "有识别器调用时抛出异常。",
        "A recognizer returns what is no list of findings in the text it was given.": (
            "有识别器的返回值不是所给文本中检出项的列表。"
        ),
        "Call it by hand with an empty text and with a short one.": "请分别用空文本和短文本手动调用它。",
        "A recognizer's entities must have names of capitals, digits and `_`, at most 64 of them.": (
            "识别器的实体名称必须由大写字母、数字和 `_` 组成，最多 64 个字符。"
        ),
        "Write names such as `ACME_BADGE`.": "请写 `ACME_BADGE` 这样的名称。",
        "Give every repeat an end, as in `{1,20}`, and begin with something that is rare.": (
            "请给每处重复加上限，例如 `{1,20}`，并以少见的内容开头。"
        ),
        "This expression can take more than {} ms on {} characters.": "此表达式处理 {1} 个字符可能超过 {0} 毫秒。",
        "This expression is too large for the prefilter.": "此表达式对预过滤器来说过大。",
        "Its documentation lists them.": "其文档中有列表。",
        "Its entry points must name it in the group `tidegate.recognizers`.": (
            "其入口点必须在 `tidegate.recognizers` 组中声明它。"
        ),
        "Presidio has no recognizer of this name.": "Presidio 没有此名称的识别器。",
        "Return objects with `name` and `find`.": "请返回带有 `name` 和 `find` 的对象。",
        "Run `pip install 'tidegate[presidio]'`.": "请运行 `pip install 'tidegate[presidio]'`。",
        "The package must offer a function that returns 1 to 100 recognizers.": (
            "软件包必须提供一个返回 1 到 100 个识别器的函数。"
        ),
        "The package's recognizers cannot be loaded ({}).": "无法加载该软件包的识别器（{}）。",
        "This is neither a recognizer nor one of Presidio's.": "这既不是识别器，也不是 Presidio 的识别器。",
        "This needs the package `presidio-analyzer`, which is not installed.": (
            "需要软件包 `presidio-analyzer`，而它尚未安装。"
        ),
        "This recognizer cannot be made ({}).": "无法创建此识别器（{}）。",
        "This recognizer needs a service or a model, which the gateway does not call.": (
            "此识别器需要网关不会调用的服务或模型。"
        ),
        "This recognizer sends texts to a service, and only the gateway's forwarder may.": (
            "此识别器会把文本发给外部服务，而只有网关的转发模块可以外发。"
        ),
        "{} recognizers under the name {}.": "{}名为 {} 的识别器。",
    }
)
