"""What `tidegate doctor` says of stored answers, in English and in Chinese: what is so, and what to do."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Table

SAYS: Final[Table] = MappingProxyType(
    {
        "cache": ("Answers are kept in each worker's memory.", "应答缓存在每个工作进程的内存中。"),
        "cache_shared": (
            "Answers are kept in each worker's memory and in the store that all share.",
            "应答缓存在每个工作进程的内存中，并存入共享存储。",
        ),
        "cache_off": (
            "The policy lets answers be used again, or there is a store for them, but none are kept.",
            "策略允许复用应答，或已配置其存储，但并未缓存任何应答。",
        ),
        "cache_unused": (
            "Answers could be kept, but the policy lets none be used again.",
            "已启用应答缓存，但策略不允许复用任何应答。",
        ),
        "cache_apart": (
            "Each of {workers} workers keeps answers of its own: what one has asked the others ask again.",
            "{workers} 个工作进程各自缓存应答：一个进程问过的，其他进程会再问一次。",
        ),
        "cache_inside": (
            "Answers of {labels} are above the clearance of the shared store: they stay in a worker's memory.",
            "{labels} 的应答高于共享存储的许可密级，只保存在工作进程内存中。",
        ),
        "cache_keys_apart": (
            "{replicas} replicas share a store of answers, but each has a file of tenants' keys of its own: "
            "none can open what another has stored.",
            "{replicas} 个副本共享应答存储，但各自使用自己的租户密钥文件：彼此无法解密对方缓存的应答。",
        ),
        "cache_keys_unreadable": (
            "The file of tenants' keys {file} cannot be read, so no answers are kept.",
            "租户密钥文件 {file} 无法读取，因此不缓存任何应答。",
        ),
        "cache_keys_open": (
            "Others on this machine can read or change the file of tenants' keys {file}.",
            "本机其他用户可以读取或修改租户密钥文件 {file}。",
        ),
        "cache_keys_left": (
            "Tenants that are no more still have keys for stored answers: {tenants}.",
            "已不存在的租户仍有应答缓存密钥：{tenants}。",
        ),
    }
)
"""What is so."""

MENDS: Final[Table] = MappingProxyType(
    {
        "cache_off": (
            "Write `cache: {{}}` in gateway.yaml, or take it out of the policy.",
            "请在 gateway.yaml 中写入 `cache: {{}}`，或从策略中删除缓存设置。",
        ),
        "cache_unused": (
            "Say for how long with `cache` in the policy, label by label.",
            "请在策略的 `cache` 中按密级指定时长。",
        ),
        "cache_apart": ("Name a Redis under `stores.cache`.", "请在 `stores.cache` 中配置 Redis。"),
        "cache_keys_apart": (
            "Put the file on a volume that all replicas mount, and name it under `cache.keys`.",
            "请将该文件放在所有副本共同挂载的卷上，并在 `cache.keys` 中指定。",
        ),
        "cache_keys_unreadable": (
            "Check its owner. If it is damaged, delete it: what is stored under its keys is lost then.",
            "请检查其属主。如文件已损坏请将其删除：用其密钥缓存的内容将随之丢失。",
        ),
        "cache_keys_open": ("Run `chmod 600 {file}`.", "请运行 `chmod 600 {file}`。"),
        "cache_keys_left": (
            "Destroy what is kept for them with `tidegate cache purge --tenant NAME`.",
            "请用 `tidegate cache purge --tenant NAME` 销毁其缓存。",
        ),
    }
)
"""What to do, where there is something to do."""
