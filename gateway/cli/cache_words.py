"""What `tidegate cache` says, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "off": (
            "No answers are kept: gateway.yaml has no `cache`.",
            "未缓存应答：gateway.yaml 中没有 `cache`。",
        ),
        "on": (
            "Answers are kept in each worker's memory.",
            "应答缓存在每个工作进程的内存中。",
        ),
        "on_shared": (
            "Answers are kept in each worker's memory and, up to the label {label}, in the store that all share.",
            "应答缓存在每个工作进程的内存中；密级不高于 {label} 的还会存入共享存储。",
        ),
        "kept": ("{label}: for up to {count} s, as the policy says.", "{label}：按策略最多缓存 {count} 秒。"),
        "never": ("{label}: never.", "{label}：从不缓存。"),
        "keys": ("Keys of tenants in {file}: {count}.", "{file} 中的租户密钥数：{count}。"),
        "key": ("{tenant}, made {when}", "{tenant}，创建于 {when}"),
        "not_running": ("No gateway answers on the admin port.", "管理端口上没有网关响应。"),
        "counts": (
            "Of {asked} requests {hits} had an answer that there was already ({share}); {bypass} were not to be kept.",
            "{asked} 个请求中有 {hits} 个命中缓存（{share}）；{bypass} 个不适用缓存。",
        ),
        "memory": ("In memory now: {count} answers, {size} MiB.", "当前内存中：{count} 条应答，{size} MiB。"),
        "purged": (
            "The key of {tenant} is destroyed: nothing that was stored for it can be found or opened any more.",
            "{tenant} 的密钥已销毁：此前为其缓存的应答再也无法找到或解密。",
        ),
        "copies": (
            "Workers notice within a second. Copies of {file}, in backups for example, still hold the old key.",
            "各工作进程将在一秒内生效。{file} 的副本（例如备份）中仍有旧密钥。",
        ),
        "nothing": (
            "Nothing was ever stored for {tenant}: it has no key.",
            "{tenant} 没有密钥：从未为其缓存过应答。",
        ),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key`, with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
