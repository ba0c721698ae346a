"""What `tidegate sagemaker` says about things and steps, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

_WORDS: Final[Table] = MappingProxyType(
    {
        "title": ("{name} in {region}, account {account}", "{name}（{region}，账户 {account}）"),
        "role": ("role", "角色"),
        "permissions": ("permissions", "权限"),
        "package": ("package", "模型包"),
        "model": ("model", "模型"),
        "config": ("endpoint config", "端点配置"),
        "endpoint": ("endpoint", "端点"),
        "component": ("component", "推理组件"),
        "bounds": ("scaling bounds", "伸缩范围"),
        "policy": ("scaling rule", "伸缩规则"),
        "alarm": ("alarm", "告警"),
        "warmth": ("warm-up", "预热"),
        "upload": ("broken upload", "未完成的上传"),
        "object": ("stored package", "已存模型包"),
        "served": ("mark of having served", "已服务标记"),
        "logs": ("log", "日志"),
        "was": ("was {was}", "原为 {was}"),
        "waits": ("wait for it", "等待就绪"),
        "wait_serving": ("{what} {name}: until it serves", "{what} {name}：等待可用"),
        "wait_settled": ("{what} {name}: what an earlier run began", "{what} {name}：等待此前的操作结束"),
        "wait_gone": ("{what} {name}: until it is gone", "{what} {name}：等待删除完成"),
        "nothing": ("Everything is as the file says.", "一切与文件一致。"),
        "would": ("This would happen:", "将执行："),
        "cost": (
            "Cost: {least} {currency} per hour with {few} × {instance}, {most} with {many}.",
            "费用：{few} × {instance} 每小时 {least} {currency}，{many} 台时 {most}。",
        ),
        "cost_list": (
            "At {amount} {currency} for each: a list price of {as_of}, not fetched from AWS. "
            "Say what you pay with `cost: {{instance_hour: …}}`. Storage, traffic and logs come on top.",
            "按每台 {amount} {currency} 计：{as_of} 的目录价，并非实时取自 AWS。"
            "请用 `cost: {{instance_hour: …}}` 写明实际单价。存储、流量和日志另计。",
        ),
        "cost_own": (
            "At {amount} {currency} for each, as the file says. Storage, traffic and logs come on top.",
            "按文件所写每台 {amount} {currency} 计。存储、流量和日志另计。",
        ),
        "cost_unknown": (
            "Cost: nobody here knows what {instance} costs in {region}. "
            "Say it with `cost: {{instance_hour: …}}` to see it.",
            "费用：不知道 {instance} 在 {region} 的价格。请用 `cost: {{instance_hour: …}}` 写明。",
        ),
        "done": ("Done. {name} serves with {config}.", "完成。{name} 正以 {config} 提供服务。"),
        "address": (
            "In pools.yaml, under `endpoints`: {url}",
            "pools.yaml 的 `endpoints` 中填写：{url}",
        ),
        "component_header": (
            "It is served by the inference component {component}; requests have to name it.",
            "由推理组件 {component} 提供服务，请求须指明该组件。",
        ),
        "back_done": ("{name} is back at {config}.", "{name} 已回到 {config}。"),
        "interrupted": (
            "Interrupted. What was begun goes on at AWS and may cost; the same command picks up from here.",
            "已中断。已开始的操作会在 AWS 继续并可能计费；重新运行同一命令即可接着做。",
        ),
        "absent": ("There is nothing of {name}, and nothing costs.", "没有 {name} 的任何资源，不产生费用。"),
        "status": ("{what} {name}: {status}", "{what} {name}：{status}"),
        "instances": (
            "{now} now, {coming} asked for, between {least} and {most}",
            "现有 {now}，目标 {coming}，范围 {least}–{most}",
        ),
        "costs_now": ("Costs now: {amount} {currency} per hour.", "当前费用：每小时 {amount} {currency}。"),
        "warm_until": ("Kept warm until {at} UTC.", "预热至 {at}（UTC）。"),
        "captures": (
            "✗ Data capture is on: the endpoint keeps copies of requests.",
            "✗ 数据捕获已开启：端点会保存请求副本。",
        ),
        "captures_not": ("✓ Data capture is off.", "✓ 数据捕获已关闭。"),
        "differs": (
            "It is not as the file says; `tidegate sagemaker deploy --plan` shows how.",
            "与文件不一致；`tidegate sagemaker deploy --plan` 会列出差异。",
        ),
        "no_package": (
            "The package is not here, so that nobody looked whether it is the one that serves.",
            "本机没有模型包，未核对线上版本。",
        ),
        "scaled": ("{name}: {count} asked for.", "{name}：目标数量 {count}。"),
        "warmed": (
            "{name} keeps at least {count} until {at} UTC. AWS itself ends it: nothing has to run here.",
            "{name} 至少保持 {count} 台，直到 {at}（UTC）。由 AWS 自行结束，本机无需继续运行。",
        ),
        "cooled": ("{name} keeps at least {count} again.", "{name} 恢复为至少 {count} 台。"),
        "destroyed": ("Nothing of {name} is left, and nothing costs.", "{name} 已无任何残留，不再产生费用。"),
        "left": ("This is still there:", "仍有残留："),
        "packed": ("{path}: {files} files, {mib} MiB.", "{path}：{files} 个文件，{mib} MiB。"),
        "packed_digest": (
            "SHA-256 {sha256}; that of every file stands in its {manifest}.",
            "SHA-256 {sha256}；每个文件的摘要见包内 {manifest}。",
        ),
        "packed_plain": ("The weights are not encrypted.", "权重未加密。"),
        "packed_local": (
            "The weights are encrypted; the container needs the same secret (TIDEGATE_WEIGHTS_KEY_FILE).",
            "权重已加密；容器需要同一密钥（TIDEGATE_WEIGHTS_KEY_FILE）。",
        ),
        "packed_kms": (
            "The weights are encrypted; the container asks KMS for the key when it starts.",
            "权重已加密；容器启动时向 KMS 请求密钥。",
        ),
        "packed_without": (
            "Left out: {count} hidden files or caches.",
            "已略去 {count} 个隐藏文件和缓存。",
        ),
        "packed_unchecked": (
            "{count} objects have no digest of the whole at S3; they were compared by their length only.",
            "{count} 个对象在 S3 没有整体摘要，仅核对了长度。",
        ),
        "ask": ("Type the lane's name to remove all of this: ", "输入名称以确认全部删除："),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence under `key`."""
    return fill(_WORDS, key, language, **gaps)
