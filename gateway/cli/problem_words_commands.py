"""Chinese for what commands cannot look at or do."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "The gateway does not answer in time.": "网关没有及时应答。",
        "See whether it is overloaded.": "请检查是否过载。",
        "No gateway answers on this admin port ({}).": "此管理端口没有网关应答（{}）。",
        "Start it with `tidegate serve`, or name its folder with `--config`.": (
            "请用 `tidegate serve` 启动网关，或用 `--config` 指定其文件夹。"
        ),
        "What answers on this admin port is no gateway.": "此管理端口上应答的不是网关。",
        "Check `admin.listen`.": "请检查 `admin.listen`。",
        "The gateway refuses this admin token.": "网关拒绝此管理令牌。",
        "Restart it after changing the token.": "更换令牌后请重启网关。",
        "Write 2026-11, for example.": "例如 2026-11。",
        "`{}` is not a month.": "`{}` 不是月份。",
        "There is no audit log here.": "此处没有审计日志。",
        "Start the gateway once.": "请先启动一次网关。",
        "Another attached file has this name.": "另有附件使用此名称。",
        "Give one of them another name.": "请将其中一个改名。",
        "Name the audit folder of a gateway.": "请指定网关的审计文件夹。",
        "Editions are those of one entity.": "识别规则版本只针对一种实体。",
        "Give `--entity CN_RESIDENT_ID`.": "请写 `--entity CN_RESIDENT_ID`。",
        "Give `--entity CN_RESIDENT_ID`, too.": "请同时写 `--entity CN_RESIDENT_ID`。",
        "Before what?": "没有写明早于什么。",
        "Give --detector, --before or --bundle.": "请写 --detector、--before 或 --bundle。",
        "Write '<1.3.0', '<policy:42', '<recognizers:7', an edition as '<3fa9c1', or '<now', in quotation marks.": (
            "请写 '<1.3.0'、'<policy:42'、'<recognizers:7'、形如 '<3fa9c1' 的识别规则版本，或 '<now'，并加引号。"
        ),
        "`{}` is not a version.": "`{}` 不是版本。",
        "Nothing ever looked for `{}`.": "从未查找过 `{}`。",
        "Nothing looks for `{}` in the files as they are now.": "当前的文件中没有任何内容会查找 `{}`。",
        "{} of {} begins with `{}`.": "{1} 的识别规则版本中，以 `{2}` 开头的{0}。",
        "`--editions` lists them.": "`--editions` 可列出全部版本。",
        "The files do not load as they are now, so nobody can say what they look for.": (
            "当前的文件无法加载，无从得知会查找什么。"
        ),
        "Run `tidegate config check`.": "请运行 `tidegate config check`。",
        "`{}` is not a time.": "`{}` 不是时间。",
        "Write 30d, 12h, 90m, 2026-11-01 or 2026-11-01T14:00, in UTC.": (
            "请写 30d、12h、90m、2026-11-01 或 2026-11-01T14:00（UTC）。"
        ),
        "There is no such tenant.": "没有此租户。",
        "This file of keys is not one that this version has written.": "此密钥文件不是此版本写入的。",
        "Restore it, or delete it: everything that is stored under its keys is lost then.": (
            "请恢复该文件，或将其删除：删除后以其密钥保存的内容将全部丢失。"
        ),
        "There is no such file.": "没有此文件。",
        "Check the path.": "请检查路径。",
        "This file cannot be read ({}).": "无法读取此文件（{}）。",
        "This entry names a certificate, of which whoever issues it makes the successor.": (
            "此项使用证书，其后续证书由签发方签发。"
        ),
        "This key is there already.": "此密钥已存在。",
        "This certificate is there already.": "此证书已存在。",
        "Its id is {}.": "其 ID 为 {}。",
        "There is no key with this id.": "没有使用此 ID 的密钥。",
        "There is no model `{}`.": "没有模型 `{}`。",
        "There is no tenant `{}`.": "没有租户 `{}`。",
        "Write `30m`, `24h`, `90d`, or a date where one may stand.": "请写 `30m`、`24h`、`90d`，或在允许处写日期。",
        "This is not a name.": "这不是名称。",
        "Write letters, digits and `. _ - / :`, at most 100 of them.": (
            "请写字母、数字和 `. _ - / :`，最多 100 个字符。"
        ),
        "There is no `{}`.": "没有 `{}`。",
        "It names nothing.": "没有写任何名称。",
        "Leave it out for a key without this limit.": "若密钥不受此限制，请不要写。",
        "Write `10.0.0.0/8`; host bits must be 0.": "请写成 `10.0.0.0/8`；主机位必须为 0。",
        "The key must have 7 to 256 characters: letters, digits and any of `._~+/=-`.": (
            "密钥必须有 7 到 256 个字符：字母、数字和 `._~+/=-`。"
        ),
        "What answers here is no gateway of this version.": "此处应答的不是此版本的网关。",
        "What answers on this admin port is no gateway of this version.": "此管理端口上应答的不是此版本的网关。",
        "Update both.": "请将两者更新到同一版本。",
        "The gateway would refuse this request: {}": "网关会拒绝此请求，并回答：{}",
        "The text is not valid UTF-8.": "文本不是有效的 UTF-8。",
        "Put it into a file, and give a request.": "请写入文件，以请求的形式提供。",
        "The models of the tier `ner` are not installed.": "层级 `ner` 的模型尚未安装。",
        "Run `pip install 'tidegate[ner]'`.": "请运行 `pip install 'tidegate[ner]'`。",
        "Without pools nothing can be decided.": "没有资源池就无法做出决策。",
        "Name them with --pools.": "请用 --pools 指定。",
        "There are no cases.": "没有用例。",
        "`tidegate policy init` writes some to start from.": "可用 `tidegate policy init` 生成一些作为起点。",
        "There is no policy.yaml beside these cases.": "这些用例旁没有 policy.yaml。",
        "Name the policy with --policy.": "请用 --policy 指定策略。",
        "This file has no version to compare with.": "此文件没有可比较的版本。",
        "`tidegate policy check {}` says why.": "`tidegate policy check {}` 会说明原因。",
        "What was served has its own policy and facts.": "已处理的请求有其自身的策略和事实。",
        "Give --config alone.": "请只写 --config。",
        "This request is larger than {} MiB, which no gateway takes.": "此请求超过 {} MiB，网关不会接受。",
        "Is it the right file?": "文件是否选错了？",
        "There is nothing to explain.": "没有可解释的内容。",
        "Give --text, --request, --facts or --decision.": "请写 --text、--request、--facts 或 --decision。",
        "Known: none: name the file with --tenants.": "尚无任何租户：请用 --tenants 指定文件。",
        "`tenant_class` follows from --tenant.": "`tenant_class` 由 --tenant 得出。",
        "Leave one of them out.": "请去掉其中一个。",
        'Write `{"label": "internal"}`.': '请写成 `{"label": "internal"}`。',
        "`{}` follows from what is asked.": "`{}` 由请求得出。",
        "Leave it out.": "请不要写。",
        "There is no tenant class {}.": "没有租户类别 {}。",
        "Nobody is said to ask, and there is no tenant class `default`.": (
            "没有写明由谁请求，也没有租户类别 `default`。"
        ),
        'Name one with --tenant (known: none), or write `"tenant_class"` into --facts.': (
            '请用 --tenant 指定（目前没有租户），或在 --facts 中写 `"tenant_class"`。'
        ),
        'Name one with --tenant (known: {}), or write `"tenant_class"` into --facts.': (
            '请用 --tenant 指定（已有：{}），或在 --facts 中写 `"tenant_class"`。'
        ),
        "This is a folder, not a file.": "这是文件夹，不是文件。",
        "Name a file, for example `{}`.": "请指定文件，例如 `{}`。",
        "Name a file.": "请指定文件。",
        "You may not read this file.": "您无权读取此文件。",
        "Ask its owner, or run as another user.": "请联系其属主，或换用其他用户运行。",
        "This file is there already.": "此文件已存在。",
        "Nothing was written. Move it away, or name another folder.": (
            "没有写入任何内容。请将其移走，或指定其他文件夹。"
        ),
        "This file cannot be written ({}).": "无法写入此文件（{}）。",
        "Name a folder that you may write to.": "请指定可写的文件夹。",
        "Without pools nobody knows where requests go.": "没有资源池就无从得知请求的去向。",
        "Name them with --pools; `tidegate policy init` writes examples of every file.": (
            "请用 --pools 指定；`tidegate policy init` 会为每种文件生成示例。"
        ),
        "The certificate cannot be written ({}).": "无法写入证书（{}）。",
        "There is no such folder.": "没有此文件夹。",
        "Without its pools nobody can say where a policy leads.": "没有资源池就无从得知策略的去向。",
        "Give --pools.": "请写 --pools。",
        "Write 30m, 12h or 7d.": "请写 30m、12h 或 7d。",
        "This file changed while it was read.": "读取时此文件发生了变化。",
        "Try again.": "请重试。",
        "This says what {} says.": "内容与 {} 相同。",
        "Change something, then try it.": "请修改后再试。",
        "The gateway knows of no candidate.": "网关没有候选策略。",
        "Put one there with `tidegate policy shadow start`; a gateway knows of it within a few seconds.": (
            "请用 `tidegate policy shadow start` 放入；网关会在几秒内得知。"
        ),
        "This is not the candidate that was named: it is {}.": "这不是所指定的候选策略：实际为 {}。",
        "Look at `tidegate policy shadow report` again; pools, tenants and recognizers count as well.": (
            "请重新查看 `tidegate policy shadow report`；资源池、租户和识别器也计算在内。"
        ),
        "This file changed while it was looked at.": "查看期间此文件发生了变化。",
        "Look at its report again.": "请重新查看其报告。",
        "There is no candidate.": "没有候选策略。",
        "Check who may write.": "请检查写入权限。",
        "Name a new one: a key is never overwritten.": "请指定新文件：密钥从不覆盖。",
        "signers.yaml has nobody with this key.": "signers.yaml 中没有使用此密钥的人。",
        "Use your own, or have its line added: `tidegate policy signer` prints it.": (
            "请使用自己的密钥，或请人添加 `tidegate policy signer` 输出的一行。"
        ),
        "This key cannot be read ({}).": "无法读取此密钥（{}）。",
        "This is not a private key for signing.": "这不是用于签名的私钥。",
        "`tidegate policy signer` makes one.": "可用 `tidegate policy signer` 生成。",
        "The files changed while they were read.": "读取时文件发生了变化。",
        "The state folder cannot be written ({}).": "无法写入状态文件夹（{}）。",
        "Give it room, and to the user of the gateway.": "请确保有足够空间，且属于运行网关的用户。",
        "The signature of `{}` does not fit this policy with the files of this folder.": (
            "`{}` 的签名与此策略及此文件夹中的文件不符。"
        ),
        "Sign with the pools, tenants, recognizers and signers that stand here.": (
            "请连同此处的资源池、租户、识别器和签名人一起签名。"
        ),
        "Nobody has signed in this file.": "此文件中没有任何签名。",
        "Leave `--signatures` out, and sign here.": "请去掉 `--signatures`，并在此签名。",
        "There is no such file, and it says who may sign.": "没有此文件，而它写明谁可以签名。",
        "`tidegate policy signer` prints its lines.": "`tidegate policy signer` 会输出其中的行。",
        "What was in force here cannot be believed: it cannot be read ({}).": "此处的生效记录不可信：无法读取（{}）。",
        "What was in force here cannot be believed: it cannot be read.": "此处的生效记录不可信：无法读取。",
        "What was in force here cannot be believed: it is of another version of the gateway.": (
            "此处的生效记录不可信：由其他版本的网关写入。"
        ),
        "What was in force here cannot be believed: its seal is not ours.": "此处的生效记录不可信：封印不是本网关的。",
        "Restore it, or have two signers look before it is removed.": "请恢复该文件，或先由两名签名人查看再删除。",
        "Restore it.": "请恢复该文件。",
        "There is no audit log yet.": "尚无审计日志。",
        "Name the configuration of a gateway that has run.": "请指定曾经运行过的网关的配置。",
        "It goes with `--since`.": "须与 `--since` 一起使用。",
        "Name the first day, too.": "请同时写明起始日期。",
        "The period ends before it begins.": "时间段的结束早于开始。",
        "Name a later day.": "请写更晚的日期。",
    }
)

ANSWERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "There is no pool with this name.": "没有此名称的资源池。",
        "Who asks must be a name: letters, digits and `. _ - @`, at most 64 of them.": (
            "操作者必须是名称：字母、数字和 `. _ - @`，最多 64 个字符。"
        ),
        "An override holds for one second at least and for seven days at most.": "设置最短一秒，最长七天。",
        "A share is from 0 % to 100 %.": "份额为 0 % 至 100 %。",
        "200 pools are drained. Take others out of pools.yaml.": (
            "已有 200 个资源池被暂停。其余的请从 pools.yaml 中移除。"
        ),
        "The supervisor does not listen. Try again.": "监督进程没有在监听。请重试。",
        "The supervisor does not answer. See its log.": "监督进程没有应答。请查看其日志。",
        "The body is no override. `tidegate burst` and `tidegate pool` write one.": (
            "请求体不是可用的设置，请使用 `tidegate burst` 或 `tidegate pool`。"
        ),
    }
)
"""What a running gateway answers to those who change its overrides, which commands tell as it is."""
