"""Chinese for what is wrong with a policy, its cases and facts, and for what a proof found."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "A case of the same name stands on line {}.": "第 {} 行已有同名用例。",
        "Give each its own, so that a failure names one of them.": "请各取其名，失败时才能指明是哪一个。",
        "A case says in one way what was asked.": "一个用例只能用一种方式写明请求。",
        "Keep `text`, `request`, or `findings` and its like.": "请只保留 `text`、`request`，或 `findings` 一类的键。",
        "`{}` follows from what this case asks.": "`{}` 由此用例的请求得出。",
        "Remove it here; `expect` may name it.": "请在此处删除；可写在 `expect` 中。",
        "`history` and `taint` give a label by what was asked, and nothing was.": (
            "`history` 和 `taint` 依据请求给出标签，而此处没有请求。"
        ),
        "Add `findings: []`, or write the label into `facts`.": "请添加 `findings: []`，或将标签写入 `facts`。",
        "The request names its model, and `facts` names one again.": "请求已写明模型，而 `facts` 又写了一个。",
        "Keep the one in the request.": "请保留请求中的模型。",
        "`request` must be a chat request.": "`request` 必须是对话请求。",
        "Write `{model: …, messages: […]}`.": "请写成 `{model: …, messages: […]}`。",
        "A finding is an entity or a marker.": "检出项要么是实体，要么是标记词。",
        "Write `entity: CN_MOBILE`.": "请写成 `entity: CN_MOBILE`。",
        "No rule of the policy names this marker, so nobody looks for it.": (
            "策略中没有规则用到此标记词，因此不会查找它。"
        ),
        "Add a rule.": "请添加规则。",
        "`expect` must not be empty.": "`expect` 不能为空。",
        "Write `expect: {action: allow, to: [home]}`.": "请写成 `expect: {action: allow, to: [home]}`。",
        "A refusal has no `{}`.": "拒绝没有 `{}`。",
        "Remove `{}`, or expect `action: allow`.": "请删除 `{}`，或改为期望 `action: allow`。",
        "`code` is that of a refusal.": "`code` 是拒绝的代码。",
        "Remove it, or expect `action: deny`.": "请删除，或改为期望 `action: deny`。",
        "No route of the policy names the pool {}.": "策略中没有路由提到资源池 {}。",
        "`count` must not be empty.": "`count` 不能为空。",
        "Write `count: {CN_MOBILE: 5}`.": "请写成 `count: {CN_MOBILE: 5}`。",
        "The facts must be a group of keys.": "事实必须是一组键。",
        "`label_low` is above `label`: a full scan can only take away.": (
            "`label_low` 高于 `label`：完整扫描只会减少检出。"
        ),
        "Lower it.": "请调低。",
        "`time` must be a day and a time.": "`time` 必须是星期加时刻。",
        "Write `mon 09:30`, for example.": "例如 `mon 09:30`。",
        "`restores` must name an earlier version than `version`.": "`restores` 必须是早于 `version` 的版本。",
        "Raise `version`.": "请提高 `version`。",
        "A label cannot have this name.": "标签不能用此名称。",
        "Choose another word.": "请换一个词。",
        "`time_zone` must be a fixed distance from UTC.": "`time_zone` 必须是与 UTC 的固定时差。",
        'Write `time_zone: "+08:00"`; a clock that is put forward in summer takes two versions of the policy.': (
            '请写成 `time_zone: "+08:00"`；实行夏令时则需要两个版本的策略。'
        ),
        "`hard_from` ({}) is below `simple_below` ({}).": "`hard_from`（{}）低于 `simple_below`（{}）。",
        "Between the two is medium: raise `hard_from` or lower `simple_below`.": (
            "两者之间为中等：请调高 `hard_from` 或调低 `simple_below`。"
        ),
        "A label rule names exactly one kind of evidence.": "一条标签规则只能写一种依据。",
        "Write one of: {}; split the rule if it needs two.": "请写以下之一：{}；需要两种时请拆成两条规则。",
        "A marker is there or not: it has no score.": "标记词只有有无之分，没有置信度。",
        "Remove `min_score`.": "请删除 `min_score`。",
        "A marker is longer than 200 characters.": "标记词超过 200 个字符。",
        "The marker holds the character U+{}, which nobody can see.": "标记词中有不可见字符 U+{}。",
        "Type the marker anew, without it.": "请重新输入标记词，去掉该字符。",
        "Write `10.0.0.0/8`, `::1/128`, `unix`, or `any`; host bits must be 0.": (
            "请写 `10.0.0.0/8`、`::1/128`、`unix` 或 `any`；主机位必须为 0。"
        ),
        "This is more of the Internet than anybody owns: it cannot be in the zone `onprem`.": (
            "此网段大到不可能归任何一家所有：不能放入区域 `onprem`。"
        ),
        "List the networks that are yours.": "请列出自己的网段。",
        "The zone `onprem` cannot be `any` network.": "区域 `onprem` 不能是任意网段 `any`。",
        "`models` must not be empty.": "`models` 不能为空。",
        "Write `chat: {pools: [home]}`.": "请写成 `chat: {pools: [home]}`。",
        "{} asks nothing.": "{} 没有任何条件。",
        (
            "`mask` is reserved: this gateway cannot mask yet, and a policy that counts on it would let text out "
            "unmasked."
        ): ("`mask` 是保留字：网关尚不能脱敏，依赖它的策略会把未脱敏的文本外发。"),
        "A label is compared by >=, <=, ==, > or <.": "标签用 >=、<=、==、> 或 < 比较。",
        "{}, for example.": "例如{}。",
        "What a request needs of context is compared by >=, <=, > or <.": (
            "请求所需的上下文长度用 >=、<=、> 或 < 比较。"
        ),
        'Write `context: "> 32k"`, for example.': '例如写 `context: "> 32k"`。',
        "`modality` asks nothing.": "`modality` 没有任何条件。",
        "Write `has`, `only` or both.": "请写 `has`、`only` 或两者。",
        "For requests with nothing else write `modality: {only: text}`.": (
            "若指只含文本的请求，请写 `modality: {only: text}`。"
        ),
        "Every request holds text, so this asks nothing.": "每个请求都含文本，此条件不起作用。",
        "`has` asks for what `only` forbids, so this never holds.": "`has` 要求的内容被 `only` 禁止，此条件永不成立。",
        "Every request holds text, so this never holds.": "每个请求都含文本，此条件永不成立。",
        "Add `text` to `only`.": "请在 `only` 中加上 `text`。",
        "Add it to `only`, or take it out of `has`.": "请将其加入 `only`，或从 `has` 中去掉。",
        "A time window asks nothing.": "时间段没有任何条件。",
        "Write `days`, `from` or `to`.": "请写 `days`、`from` 或 `to`。",
        "This time window begins and ends at the same time, or at a time that its day does not have.": (
            "此时间段的起止时刻相同，或用了当天没有的时刻。"
        ),
        "A day is from `00:00` to `24:00`; leave both out for the whole of it.": (
            "一天为 `00:00` 至 `24:00`；全天则两者都不写。"
        ),
        "{} must be a time of the day.": "{} 必须是一天中的时刻。",
        "Write `08:00`, or `24:00` for midnight.": "请写成 `08:00`；午夜写 `24:00`。",
        "`pressure` must not be empty.": "`pressure` 不能为空。",
        "Write `pressure: {onprem: saturated}`.": "请写成 `pressure: {onprem: saturated}`。",
        "Either every pool of `to` has a weight, or none.": "`to` 中的资源池要么都有权重，要么都没有。",
        "Write `{pool: …, weight: 0}`.": "请写成 `{pool: …, weight: 0}`。",
        "No pool of `to` has a weight above 0.": "`to` 中没有权重大于 0 的资源池。",
        "Give one of them a share, or write plain names.": "请给其中一个分配份额，或只写名称。",
        "An invariant states exactly one thing.": "一条底线只能写一件事。",
        "Write one of: {}.": "请写以下之一：{}。",
        "`never` names exactly one place.": "`never` 只能写一个去处。",
        "Write `zone: cloud` or `pool: …`, or what a pool must not be: {}.": (
            "请写 `zone: cloud` 或 `pool: …`，或资源池不得具备的属性：{}。"
        ),
        "`only` says what every pool must be.": "`only` 须写明每个资源池必须具备的属性。",
        "`total` can only be `true`.": "`total` 只能是 `true`。",
        "Remove the invariant.": "请删除此底线。",
        "`raising` must be one or more of: {}.": "`raising` 必须是以下一个或多个：{}。",
        "The pool {} stands in `to` and in `spill`.": "资源池 {} 同时出现在 `to` 和 `spill` 中。",
        "Keep one.": "请只保留一处。",
        "A route either lists pools or refuses.": "路由要么列出资源池，要么拒绝。",
        "Write `to: [pool]`, or `deny: a message for the caller`.": "请写 `to: [pool]`，或 `deny: 给调用方的说明`。",
        "A route that refuses has no pools and no queue.": "拒绝请求的路由没有资源池，也没有排队。",
        "Remove {}.": "请删除 {}。",
        "The route `{}` never matches for the model {}: none of its `to` is there.": (
            "路由 `{}` 对模型 {} 从不命中：其 `to` 中的资源池都不在该模型中。"
        ),
        "`label.{}` must be the highest label, `{}`: what nobody looked at counts as the worst.": (
            "`label.{}` 必须是最高标签 `{}`：未经查看的内容按最坏情况处理。"
        ),
        "To let one kind of part through, name it in `label.carriers`.": (
            "若要放行某类内容，请在 `label.carriers` 中写明。"
        ),
        "To let one entity through, name it in a rule.": "若要放行某种实体，请在规则中写明。",
        "The pool {} lies in the zone {}, which is not declared.": "资源池 {} 位于未声明的区域 {}。",
        "No route sends anything to the pool {}.": "没有路由发往资源池 {}。",
        "No model lists the pool {}, so nothing can reach it.": "没有模型列出资源池 {}，任何请求都到不了。",
        "Something like it stands elsewhere: write both alike.": "别处有相近的名称：请写成一致。",
        "The pools of {} that share out the first place lie in several zones.": "{} 中分担首选的资源池位于不同区域。",
        "Give those of one zone weights; a share for another zone is a `canary`.": (
            "权重只用于同一区域的资源池；分给其他区域的份额请用 `canary`。"
        ),
        "No pool has the agreement {}.": "没有 `agreement` 为 {} 的资源池。",
        "No pool has the processor {}.": "没有 `processor` 为 {} 的资源池。",
        "No pool has the residency {}.": "没有 `residency` 为 {} 的资源池。",
        "The last route, {}, does not match everything.": "最后一条路由 {} 没有覆盖所有请求。",
        "Add a last route with `when: {}`, or a `deny`.": "请在最后添加 `when: {}` 的路由，或一条 `deny`。",
        "Every request matches the route {}, so those after it are never used.": (
            "所有请求都会命中路由 {}，其后的路由永远用不到。"
        ),
        "Move it to the end, or narrow its `when`.": "请将其移到最后，或收窄其 `when`。",
        "The model {} has no pool of the last route's `to`.": "模型 {} 没有最后一条路由 `to` 中的任何资源池。",
        "Requests that only that route matches would be refused: add one of its pools to the model.": (
            "只命中该路由的请求会被拒绝：请为该模型添加其中一个资源池。"
        ),
        (
            "By the route {} some requests would reach a pool outside only because of the model that they name (for "
            "example: {}); the gateway takes such pools away."
        ): ("经路由 {}，部分请求仅因所写的模型名称就会到达外部资源池（例如：{}）；网关会去掉这些资源池。"),
        (
            "By the route {} some requests would reach a pool outside only because of the model that they name; the "
            "gateway takes such pools away."
        ): ("经路由 {}，部分请求仅因所写的模型名称就会到达外部资源池；网关会去掉这些资源池。"),
        "Let the same requests reach them without a model's name, or leave it so.": (
            "请让同样的请求不写模型名称也能到达，或保持现状。"
        ),
        "`may_leave` names {}, which cannot leave.": "`may_leave` 中的 {} 不可能外发。",
        "Remove what is not needed, so that the list says what is true.": "请删除多余的项，使清单与实际一致。",
        "Ask for fewer different things in `when` and `invariants`, or split the policy.": (
            "请减少 `when` 和 `invariants` 中不同的条件，或拆分策略。"
        ),
        "The compiled table asks for facts that its layout does not list, so it is not proved.": (
            "编译后的表用到了布局中没有的事实，因此无法证明。"
        ),
        "This policy distinguishes {} states, too many for {} steps: not proved.": (
            "此策略区分 {} 种状态，{} 步内无法完成：未证明。"
        ),
        "This is a fault of this build: use another, and report it.": "这是此版本的缺陷：请换用其他版本，并报告问题。",
        "The tenant class `{}` has the ceiling `{}`, above the policy's cloud ceiling `{}`.": (
            "租户类别 `{}` 的上限为 `{}`，高于策略的云端上限 `{}`。"
        ),
        "A class may only lower the ceiling: lower it in tenants.yaml.": "类别只能降低上限：请在 tenants.yaml 中调低。",
        'Put a route with `when: {label: ">= {}"}` before it that stays home, or lower `when`.': (
            '请在其前加一条留在本地、条件为 `when: {label: ">= {}"}` 的路由，或收紧 `when`。'
        ),
        "{} in the zone `{}`, above the cloud ceiling `{}` (for example: {}).": (
            "{}，位于区域 `{}`，高于云端上限 `{}`（例如：{}）。"
        ),
        "{} in the zone `{}`, above the cloud ceiling `{}`.": "{}，位于区域 `{}`，高于云端上限 `{}`。",
        "{} in the zone `{}`, which the invariant `{}` forbids (for example: {}).": (
            "{}，位于区域 `{}`，违反底线 `{}`（例如：{}）。"
        ),
        "{} in the zone `{}`, which the invariant `{}` forbids.": "{}，位于区域 `{}`，违反底线 `{}`。",
        "{}, whose clearance is only `{}` (for example: {}).": "{}，而其许可仅为 `{}`（例如：{}）。",
        "{}, whose clearance is only `{}`.": "{}，而其许可仅为 `{}`。",
        "Take the pool out of the route, or lower `when`.": "请从路由中去掉该资源池，或收紧 `when`。",
        "Change the route or the invariant.": "请修改路由或底线。",
        "Add `{}` to `label.may_leave`, or raise its label by a rule.": (
            "请将 `{}` 加入 `label.may_leave`，或用规则提高其标签。"
        ),
        "Findings of `{}` may still leave for the cloud, unacknowledged.": (
            "检出 `{}` 的内容仍可能发往云端，且未经确认。"
        ),
        "Findings of `{}` with a score below {} may still leave for the cloud, unacknowledged.": (
            "检出 `{}` 且置信度低于 {} 的内容仍可能发往云端，且未经确认。"
        ),
        "Findings of `{}` with a score below {}, fewer than {}, may still leave for the cloud, unacknowledged.": (
            "检出 `{}`、置信度低于 {} 且少于 {} 处的内容仍可能发往云端，且未经确认。"
        ),
        "Findings of `{}`, fewer than {}, may still leave for the cloud, unacknowledged.": (
            "检出 `{}` 且少于 {} 处的内容仍可能发往云端，且未经确认。"
        ),
        "No request ever matches the route `{}`.": "没有请求会命中路由 `{}`。",
        "Move it up, or remove it.": "请将其上移，或删除。",
        "No request ever matches the route `{}`: the route {} takes everything that it accepts.": (
            "没有请求会命中路由 `{}`：它所接受的请求已全部由路由 {} 处理。"
        ),
        "No request ever matches the route `{}`: the routes {} take everything that it accepts.": (
            "没有请求会命中路由 `{}`：它所接受的请求已全部由路由 {} 处理。"
        ),
        "The route `{}` refuses nothing: the route {} takes everything that it is for.": (
            "路由 `{}` 不会拒绝任何请求：它所针对的请求已全部由路由 {} 处理。"
        ),
        "The route `{}` refuses nothing: the routes {} take everything that it is for.": (
            "路由 `{}` 不会拒绝任何请求：它所针对的请求已全部由路由 {} 处理。"
        ),
        "Naming a model leads requests to {} by the route `{}` (for example: {}).": (
            "写明模型名称会使请求经路由 `{1}` 到达 {0}（例如：{2}）。"
        ),
        "Naming a model leads requests to {} by the route `{}`.": "写明模型名称会使请求经路由 `{1}` 到达 {0}。",
        "No route matches requests labelled `{}` (for example: {}).": "没有路由匹配标签为 `{}` 的请求（例如：{}）。",
        "No route matches requests labelled `{}`.": "没有路由匹配标签为 `{}` 的请求。",
        (
            "Raising the label from `{}` to `{}` adds the pool {} outside the building, by the route `{}` (for "
            "example: {})."
        ): ("标签由 `{0}` 升为 `{1}` 时，经路由 `{3}` 会多出外部资源池 {2}（例如：{4}）。"),
        "Raising the label from `{}` to `{}` adds the pool {} outside the building, by the route `{}`.": (
            "标签由 `{0}` 升为 `{1}` 时，经路由 `{3}` 会多出外部资源池 {2}。"
        ),
        "What the route `{}` does is not what was proved (for example: {}).": (
            "路由 `{}` 的实际行为与所证明的不符（例如：{}）。"
        ),
        "What the route `{}` does is not what was proved.": "路由 `{}` 的实际行为与所证明的不符。",
        "Let the route for `{}` list the pool as well, or keep it out of this one.": (
            "请让标签 `{}` 的路由也列出该资源池，或从此路由中去掉。"
        ),
        "Simplify it: fewer facts named in `when`, fewer constants, fewer pools in a row.": (
            "请简化：减少 `when` 中的事实、常量和每行的资源池。"
        ),
        "The proof needs more than {} GiB, so nothing is proved.": "证明所需内存超过 {} GiB，因此未证明任何结论。",
        "The policy was not proved within {} s, so nothing is proved.": (
            "策略未能在 {} 秒内完成证明，因此未证明任何结论。"
        ),
        "The prover ended by signal {} before it was done, so nothing is proved.": (
            "证明进程未完成就被信号 {} 终止，因此未证明任何结论。"
        ),
        "The prover ended with status {} before it was done, so nothing is proved.": (
            "证明进程未完成就以状态 {} 退出，因此未证明任何结论。"
        ),
        "Install Tidegate again.": "请重新安装 Tidegate。",
        "The prover said something that is not for its parent.": "证明进程的输出无法识别。",
        "The version is {}, and that of {} is {}: versions only rise.": "版本为 {}，而 {} 的版本为 {}：版本只能上升。",
        "Write `version: {}`.": "请写 `version: {}`。",
        "Write `version: {}`; to go back to what {} was, add `restores: {}`.": (
            "请写 `version: {}`；要恢复版本 {} 的内容，再加上 `restores: {}`。"
        ),
    }
)
