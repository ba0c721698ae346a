"""What `tidegate policy sign` and `verify` say, and a gateway that asks for signatures, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.core.approval import Objection
from gateway.policy.terms import Raise
from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "fault_unsigned": (
            "Nobody has signed these files. Run `tidegate policy sign`.",
            "这些文件无人签名。请运行 `tidegate policy sign`。",
        ),
        "fault_stranger": (
            "`{subject}` signed, who was no signer when the bundle in force came into force. Have one of those sign.",
            "签名者 `{subject}` 在现行策略生效时不在签名人名单中。请由当时名单中的人签名。",
        ),
        "fault_invalid": (
            "The signature of `{subject}` does not fit these files. They changed after it, or another key was used: "
            "sign again.",
            "`{subject}` 的签名与这些文件不符：签名之后文件有改动，或使用了其他密钥。请重新签名。",
        ),
        "fault_alone": (
            "Only `{subject}` signed, and these files let out more than before. A second person has to sign.",
            "只有 `{subject}` 签名，而这些文件比之前放宽了外发范围，需要第二个人签名。",
        ),
        "fault_version_below": (
            "Version {subject} is below {highest}, which was in force here. Versions only rise: write "
            "`version: {next}`, and `restores: {subject}` to go back to what it was.",
            "版本 {subject} 低于曾经生效的 {highest}。版本只能上升：请写 `version: {next}`；"
            "要恢复该版本的内容，再加上 `restores: {subject}`。",
        ),
        "fault_version_taken": (
            "Version {subject} was in force here with other files. Write `version: {next}`.",
            "版本 {subject} 曾以其他内容生效。请写 `version: {next}`。",
        ),
        "fault_restores_unknown": (
            "`restores: {subject}` names a version that was never in force here. Name one that was.",
            "`restores: {subject}` 指向的版本从未在此生效。请写曾经生效的版本。",
        ),
        "fault_restores_other": (
            "`restores: {subject}` is not what version {subject} was. Bring its policy back as it was, or remove the "
            "key.",
            "`restores: {subject}` 与版本 {subject} 的内容不同。请原样恢复该版本，或删除此键。",
        ),
        "raise_labels": (
            "Raised: the order of labels was {before} and is {after}; everything counts as raised.",
            "放宽：标签顺序由 {before} 变为 {after}；一切均按放宽处理。",
        ),
        "raise_cloud_ceiling": (
            "Raised: `cloud_ceiling`, from {before} to {after}.",
            "放宽：`cloud_ceiling` 由 {before} 升为 {after}。",
        ),
        "raise_class_ceiling": (
            "Raised: the ceiling of the tenant class `{subject}`, from {before} to {after}.",
            "放宽：租户类别 `{subject}` 的上限由 {before} 升为 {after}。",
        ),
        "raise_clearance": (
            "Raised: the clearance of the pool `{subject}`, from {before} to {after}.",
            "放宽：资源池 `{subject}` 的许可由 {before} 升为 {after}。",
        ),
        "raise_zone": (
            "Raised: the pool `{subject}` was at home and is in the cloud.",
            "放宽：资源池 `{subject}` 由本地移到云端。",
        ),
        "raise_may_leave": (
            "Raised: `may_leave` names {subject}.",
            "放宽：`may_leave` 增加了 {subject}。",
        ),
        "raise_known_nothing": (
            "Raised: `label.{subject}` counts as {after}, and counted as {before}.",
            "放宽：`label.{subject}` 由 {before} 降为 {after}。",
        ),
        "raise_carrier": (
            "Raised: parts of the kind `{subject}`, which nobody can read, count as {after} and counted as {before}.",
            "放宽：无法读取的 `{subject}` 类内容由 {before} 降为 {after}。",
        ),
        "raise_attested": (
            "Raised: the tenant class `{subject}` vouches for {after}, and vouched for {before}.",
            "放宽：租户类别 `{subject}` 的担保标签由 {before} 降为 {after}。",
        ),
        "raise_bands": (
            "Raised: the bands of complexity part at {after} and parted at {before}; nobody can say that no request "
            "gets to the cloud by that.",
            "放宽：复杂度分档的界限由 {before} 改为 {after}；无法排除因此有请求外发。",
        ),
        "raise_tenant": (
            "Raised: the tenant `{subject}` is of the class `{after}`, and was of `{before}`, which lets out less.",
            "放宽：租户 `{subject}` 由类别 `{before}` 改为外发范围更大的 `{after}`。",
        ),
        "signed": (
            "Signed as `{by}`: version {version}, in {file}.",
            "已以 `{by}` 的身份签名：版本 {version}，写入 {file}。",
        ),
        "dropped": (
            "Left out: the signature of `{by}`, which did not fit these files.",
            "已移除：`{by}` 的签名，因与这些文件不符。",
        ),
        "good": ("✓ `{by}` has signed these files.", "✓ `{by}` 已对这些文件签名。"),
        "accepted": (
            "A gateway that remembers {what} accepts these files.",
            "记得{what}的网关会接受这些文件。",
        ),
        "memory": ("version {version}", "版本 {version}"),
        "no_memory": ("nothing yet", "尚无记录"),
        "nothing_raised": (
            "Nothing is let out that was not before: one signature is enough.",
            "没有放宽任何外发范围：一个签名即可。",
        ),
        "first": (
            "Nothing is remembered, so everything counts as raised: two people have to sign.",
            "没有任何生效记录，一切均按放宽处理：需要两个人签名。",
        ),
        "new_signer": (
            "The private key is in {file}, readable by its owner only. Keep it off the gateway's machine. "
            "Add this line to {signers}:",
            "私钥已写入 {file}，仅属主可读，请勿存放在网关机器上。请将下面这一行加入 {signers}：",
        ),
    }
)


def of_objection(objection: Objection, language: Language) -> str:
    """Why a bundle may not come into force, in one or two sentences."""
    gaps = {"subject": objection.subject, "highest": objection.highest, "next": objection.highest + 1}
    return fill(SENTENCES, f"fault_{objection.fault}", language, **gaps)


def of_raise(one: Raise, language: Language) -> str:
    """What a bundle lets out that the one before did not."""
    gaps = {"subject": one.subject, "before": one.before, "after": one.after}
    return fill(SENTENCES, f"raise_{one.kind}", language, **gaps)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
