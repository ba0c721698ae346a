"""What `tidegate burst` and `tidegate pool` say, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "until": ("until {when}", "到 {when}"),
        "by": ("{until}, set by {who}", "{until}，由 {who} 设定"),
        "burst_auto": (
            "Burst is automatic: work that may leave does so while its pools are under pressure.",
            "溢出为自动：允许外发的请求仅在其资源池承压时外发。",
        ),
        "burst_off": (
            "Burst is off ({until}): nothing leaves for the cloud because its pools are full.",
            "溢出已关闭（{until}）：不会因资源池已满而外发到云端。",
        ),
        "burst_on": (
            "Burst is on ({until}): all work that may leave goes to the cloud while there is room.",
            "溢出已全开（{until}）：允许外发的请求在云端有空位时全部外发。",
        ),
        "burst_share": (
            "Burst is at {share} ({until}): that much of the work that may leave goes to the cloud, the rest stays.",
            "溢出为 {share}（{until}）：允许外发的请求中有这一比例发往云端，其余留在本地。",
        ),
        "budget_ok": ("Of the burst budget {used} are spent.", "溢出预算已用：{used}。"),
        "budget_low": (
            "The burst budget is low: {used} are spent.",
            "溢出预算即将用尽：已用 {used}。",
        ),
        "budget_spent": (
            "The burst budget is spent ({used}): nothing leaves for the cloud until there is money again.",
            "溢出预算已用尽（{used}）：预算恢复之前不再外发到云端。",
        ),
        "budget_lost": (
            "Nobody can say what of the burst budget is spent, since the store that counts does not answer: nothing "
            "leaves for the cloud.",
            "计数存储没有响应，无法得知溢出预算已用多少：不再外发到云端。",
        ),
        "spent_hour": ("{share} of the hour's", "本小时 {share}"),
        "spent_day": ("{share} of the day's", "本日 {share}"),
        "spent_month": ("{share} of the month's", "本月 {share}"),
        "and": (", ", "，"),
        "warm": (
            "The gateway keeps `{pool}` ready by a warm-up, {until}.",
            "网关已预热 `{pool}`，保持就绪{until}。",
        ),
        "warm_ending": (
            "The warm-up of `{pool}` ({until}) is being ended: AWS is told to put its lower bound back.",
            "正在结束 `{pool}` 的预热（{until}）：通知 AWS 恢复下限。",
        ),
        "warm_not_ended": (
            "The warm-up of `{pool}` could not be ended ({error}) and is tried again; AWS ends it itself ({until}). "
            "`tidegate sagemaker warm off` ends it now.",
            "未能结束 `{pool}` 的预热（{error}），将重试；AWS 会自行结束（{until}）。"
            "可用 `tidegate sagemaker warm off` 立即结束。",
        ),
        "drained": (
            "The pool `{pool}` takes no more work ({until}). What it has begun it finishes.",
            "资源池 `{pool}` 不再接收新请求（{until}），已开始的请求会处理完毕。",
        ),
        "undrained": ("The pool `{pool}` takes work.", "资源池 `{pool}` 正常接收请求。"),
        "not_kept": (
            "It holds, but could not be written to the state folder: a restart of the gateway undoes it.",
            "设置已生效，但未能写入状态目录：网关重启后将失效。",
        ),
        "not_recorded": (
            "It holds, but could not be written to the audit log: see why with `tidegate doctor`.",
            "设置已生效，但未能写入审计日志：请用 `tidegate doctor` 查看原因。",
        ),
        "head_pool": ("pool", "资源池"),
        "head_zone": ("zone", "区域"),
        "head_places": ("in use", "占用"),
        "head_reserved": ("kept", "保留"),
        "head_waiting": ("waiting", "排队"),
        "head_pressure": ("pressure", "压力"),
        "head_state": ("state", "状态"),
        "state_open": ("open", "正常"),
        "state_spilling": ("spilling", "溢出中"),
        "state_drained": ("drained {until}", "已排空（{until}）"),
        "one_worker": (
            "Places are those of one worker; each worker has as many.",
            "占用数为单个工作进程的数值；每个进程的名额相同。",
        ),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key`, with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
