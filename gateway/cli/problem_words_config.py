"""Chinese for what is wrong with the files of a gateway (its own, pools, tenants, keys, signers) and of an endpoint."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Write `10.0.0.0/8` or `::1/128`; host bits must be 0.": "请写成 `10.0.0.0/8` 或 `::1/128`；主机位必须为 0。",
        "This is not a network.": "这不是网段。",
        "Write `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.": (
            "请写成 `127.0.0.1:8080`、`[::1]:8080` 或 `unix:/path`。"
        ),
        "{} must be an address.": "{} 必须是地址。",
        "This is not the address of a model server.": "这不是模型服务器的地址。",
        "Write `http://host:port`, `https://host:port/base` or `unix:/path`.": (
            "请写成 `http://host:port`、`https://host:port/base` 或 `unix:/path`。"
        ),
        "Write `http://host:port`.": "请写成 `http://host:port`。",
        "{} must be an address without a path.": "{} 必须是不带路径的地址。",
        "A port is a number from 1 to 65535.": "端口是 1 到 65535 之间的数。",
        "Write `per_hour`, `per_day` or `per_month`, or `tenants`.": (
            "请写 `per_hour`、`per_day`、`per_month` 或 `tenants`。"
        ),
        "{} says nothing.": "{} 没有内容。",
        "Add it to `prices.pools` with `prompt` and `completion`; `0` is a price.": (
            "请在 `prices.pools` 中写明其 `prompt` 和 `completion`；`0` 也是价格。"
        ),
        "The pool {} in the cloud has no price, so that no budget can count it.": (
            "云端资源池 {} 没有价格，预算无法计入。"
        ),
        "Add `tls`, or leave `clients.ca` out.": "请添加 `tls`，或去掉 `clients.ca`。",
        "Clients show certificates only over TLS.": "客户端只在 TLS 连接上出示证书。",
        "Name the file of who issues them.": "请写明签发方的文件。",
        "`clients.certificates` needs a `ca`.": "`clients.certificates` 需要 `ca`。",
        "Name a `ca`, or a `certificate` and its `key`.": "请写 `ca`，或 `certificate` 及其 `key`。",
        "`tls` says nothing.": "`tls` 没有内容。",
        "In `tls`, `certificate` and `key` belong together.": "`tls` 中的 `certificate` 与 `key` 必须成对出现。",
        "Name both or none.": "请两个都写，或都不写。",
        "Write `{file: path}`.": "请写成 `{file: path}`。",
        "`tls.key` must be a file.": "`tls.key` 必须是文件。",
        "A proxy is spoken to in plain HTTP; TLS runs inside its tunnel.": (
            "与代理之间使用明文 HTTP，TLS 在其隧道内进行。"
        ),
        "Write `http://`.": "请写成 `http://`。",
        "Correct the address, or let the policy's owner extend the zone.": "请更正地址，或由策略负责人扩大该区域。",
        "The proxy lies outside the networks of the zone `{}`.": "代理不在区域 `{}` 的网段内。",
        "Through a proxy an endpoint is reached with TLS only.": "经代理只能以 TLS 访问端点。",
        "Write `https://`.": "请写成 `https://`。",
        "What a name means to a proxy cannot be checked, and the zone `{}` is made of networks.": (
            "无法核对代理如何解析名称，而区域 `{}` 由网段定义。"
        ),
        "Write the address itself, or use a zone with `networks: any`.": (
            "请直接写地址，或使用 `networks: any` 的区域。"
        ),
        "Make it as long at least.": "请使其不短于后者。",
        "`breaker.longest` is shorter than `breaker.open`.": "`breaker.longest` 短于 `breaker.open`。",
        "Write it as in `/health`.": "请写成 `/health` 这样的形式。",
        "{} must be a path or `none`.": "{} 必须是路径或 `none`。",
        "List it under `endpoints`.": "请写到 `endpoints` 中。",
        "`dns` must be a name, and this is an address.": "`dns` 必须是名称，而这是地址。",
        "`tls.{}` must be a file.": "`tls.{}` 必须是文件。",
        "This is not the id of a key.": "这不是密钥的 ID。",
        "Write `key_` and 8 to 32 hex digits.": "请写 `key_` 加 8 到 32 位十六进制数字。",
        "Another key has this id.": "另有密钥使用此 ID。",
        "A key has either a `hash` or a `certificate`.": "一个密钥要么有 `hash`，要么有 `certificate`。",
        "`tidegate keys create` writes one.": "可用 `tidegate keys create` 生成。",
        "This is not a time.": "这不是时间。",
        'Write `"2026-11-21T10:00:00Z"`.': '请写成 `"2026-11-21T10:00:00Z"`。',
        "This is not the hash of a key.": "这不是密钥的哈希。",
        "Write `hmac-sha256:` and 64 hex digits; `tidegate keys create` does. Replace a key that stood here.": (
            "请写 `hmac-sha256:` 加 64 位十六进制数字，可用 `tidegate keys create` 生成。若此处曾写过密钥本身，"
            "请更换该密钥。"
        ),
        "Another entry has this hash.": "另有一项使用此哈希。",
        "One key has one tenant: remove one of them.": "一个密钥只属于一个租户：请删除其中一项。",
        "This is not a name in a certificate.": "这不是证书中的名称。",
        "Write `uri:`, `dns:`, `email:` or `cn:` and the name as the certificate has it.": (
            "请写 `uri:`、`dns:`、`email:` 或 `cn:`，后接证书中的名称。"
        ),
        "Another entry has this name.": "另有一项使用此名称。",
        "One name has one tenant: remove one of them.": "一个名称只属于一个租户：请删除其中一项。",
        "Left out they are 2 and 10.": "不写时为 2 和 10。",
        "`scaling.least` ({}) is above `scaling.most` ({}).": "`scaling.least`（{}）大于 `scaling.most`（{}）。",
        "Add the other one.": "请补上另一个。",
        "`subnets` and `security_groups` come together.": "`subnets` 与 `security_groups` 必须成对出现。",
        "This cannot stand in {}.": "这不能写在 {} 中。",
        "Write it like `{}`.": "请写成 `{}` 这样的形式。",
        "{} takes at most {}.": "{} 最多 {} 项。",
        "Letters, digits and single `-`, at most 40 of them.": "字母、数字和不连续的 `-`，最多 40 个字符。",
        "Write it like `eu-central-1`.": "请写成 `eu-central-1` 这样的形式。",
        "Write the bucket's name, without `s3://`.": "请只写存储桶名称，不带 `s3://`。",
        "Write `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`.": (
            "请写成 `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`。"
        ),
        "Write it like `ml.g5.xlarge`.": "请写成 `ml.g5.xlarge` 这样的形式。",
        "Write a folder like `models/tidegate`.": "请写文件夹，例如 `models/tidegate`。",
        "Add `needs: {memory: 8GiB, accelerators: 1}`.": "请添加 `needs: {memory: 8GiB, accelerators: 1}`。",
        "`least: 0` goes by an inference component, which must know what a copy takes.": (
            "`least: 0` 需要推理组件，后者必须知道一个副本占用多少资源。"
        ),
        "Twelve digits, in quotation marks.": "十二位数字，加引号。",
        "Write the role's ARN, or leave the key out to have one made.": "请写角色的 ARN，或不写此键以自动创建。",
        "Remove `encryption.volumes`, or choose another instance.": "请删除 `encryption.volumes`，或选用其他实例类型。",
        "This kind of instance has disks of its own, which the hardware encrypts: `volumes` has no place.": (
            "此类实例自带磁盘并由硬件加密，不能写 `volumes`。"
        ),
        "SageMaker takes no role of another.": "SageMaker 不接受其他账户的角色。",
        "`role` is of another account than `account`.": "`role` 与 `account` 不是同一账户。",
        "The container asks KMS for the key of its weights, and an isolated one reaches nothing.": (
            "容器要向 KMS 请求权重的密钥，而隔离的容器无法访问网络。"
        ),
        "Write `network: {isolated: false}`, or remove `encryption.weights`.": (
            "请写 `network: {isolated: false}`，或删除 `encryption.weights`。"
        ),
        "Name one of the lane's region.": "请使用与部署相同区域的密钥。",
        "`encryption.weights` is a key of another region.": "`encryption.weights` 是其他区域的密钥。",
        "Write the key's ARN, `arn:aws:kms:REGION:ACCOUNT:key/ID`.": (
            "请写密钥的 ARN：`arn:aws:kms:REGION:ACCOUNT:key/ID`。"
        ),
        "`{}` is not what AWS takes here.": "`{}` 不符合 AWS 的要求。",
        "Rename it.": "请改名。",
        "Tags that begin with `tidegate` or `aws:` are not yours to set.": (
            "不能设置以 `tidegate` 或 `aws:` 开头的标记。"
        ),
        "Write `NAME: text`.": "请写成 `NAME: text`。",
        "{} must be a group of names, each with a text.": "{} 必须是一组名称，每个名称对应一段文本。",
        "AWS takes no more.": "AWS 不接受更多。",
        "{} holds more than {} names.": "{} 中的名称超过 {} 个。",
        "A name in {} has characters that it must not have.": "{} 中有名称含有不允许的字符。",
        "A value in {} must be a text of at most {} characters.": "{} 中的值必须是不超过 {} 个字符的文本。",
        "Raise `tokens_per_minute`, or lower `max_tokens`.": "请调高 `tokens_per_minute`，或调低 `max_tokens`。",
        "`max_tokens` must be below `tokens_per_minute`, or the longest answer is never granted.": (
            "`max_tokens` 必须小于 `tokens_per_minute`，否则最长的应答永远得不到许可。"
        ),
        "Add `prices` to this file.": "请在此文件中添加 `prices`。",
        "`limits.money` counts nothing where nothing has a price.": "没有价格时，`limits.money` 无从计算。",
        "Run another gateway for the others.": "其余的请用另一个网关。",
        "`oidc` names more than 16 issuers.": "`oidc` 中的签发方超过 16 个。",
        "One issuer has one place: put their tables together.": "每个签发方只写一处：请将两处合并。",
        "{} is the same issuer as another one.": "{} 与另一个签发方相同。",
        "Write `{url: https://…}` or `{file: keys.json}`.": "请写成 `{url: https://…}` 或 `{file: keys.json}`。",
        "`keys` come from exactly one place.": "`keys` 只能有一个来源。",
        "Leave them out.": "请不要写。",
        "`ca` and `proxy` belong to a `url`.": "`ca` 和 `proxy` 只与 `url` 一起使用。",
        "Write `https://…`.": "请写成 `https://…`。",
        "`keys.url` must be a URL without a user and a fragment.": "`keys.url` 必须是不含用户名和片段的 URL。",
        "Keys that are fetched without TLS are whatever somebody on the way says.": (
            "不经 TLS 获取的公钥可被途中任何人替换。"
        ),
        "Write `https://`; `http://` is for this machine's own 127.0.0.1 and [::1].": (
            "请写成 `https://`；`http://` 仅可用于本机的 127.0.0.1 和 [::1]。"
        ),
        "Write the claim's values and what they mean.": "请写出声明的各个值及其含义。",
        "`values` of {} must be a group.": "{} 的 `values` 必须是一组键值。",
        "{} must be a percentage from `0%` to `{}%`.": "{} 必须是 `0%` 到 `{}%` 的百分比。",
        "A pool in the cloud keeps no places for what must stay home.": "云端资源池不为必须留在本地的请求保留名额。",
        "Remove the key.": "请删除此键。",
        "Spill must close at a lower pressure than it opens at.": "关闭溢出的压力必须低于开启溢出的压力。",
        "Write both; `close_at` is {} where it is left out.": "请两个都写；不写时 `close_at` 为 {}。",
        "Without a pool every request is refused.": "没有资源池，所有请求都会被拒绝。",
        "`pools` must not be empty.": "`pools` 不能为空。",
        "Leave the key out where nobody vouches for it.": "无人担保时请不要写此键。",
        "`{}` cannot have this name: policies mean by it that there is none.": "`{}` 不能用此名称：策略用它表示没有。",
        "Add it, with its `region`.": "请补上，并写明 `region`。",
        "{} lacks the key `sagemaker`.": "{} 缺少键 `sagemaker`。",
        "{} has a `sagemaker` block and the backend {}.": "{} 有 `sagemaker` 块，而后端是 {}。",
        "Add it, or `dns` with a name and port.": "请补上，或写 `dns` 及名称和端口。",
        "{} lacks the key `endpoints`.": "{} 缺少键 `endpoints`。",
        "{} has both `endpoints` and `dns`.": "{} 同时有 `endpoints` 和 `dns`。",
        "A pool with a `proxy` has no `dns`: it is the proxy that looks names up.": (
            "使用 `proxy` 的资源池没有 `dns`：名称由代理解析。"
        ),
        "List the servers under `endpoints`.": "请在 `endpoints` 中列出服务器。",
        "A SageMaker pool has no `{}`.": "SageMaker 资源池没有 `{}`。",
        "Write `sagemaker.proxy`.": "请写 `sagemaker.proxy`。",
        "An endpoint with this name stands here twice.": "同名端点在此出现两次。",
        "Add `unix` to its networks in the policy, or use an address.": "请在策略中将 `unix` 加入其网段，或改用地址。",
        "The zone `{}` holds no Unix sockets.": "区域 `{}` 不包含 Unix 套接字。",
        "This address lies outside the networks of the zone `{}`.": "此地址不在区域 `{}` 的网段内。",
        "The zone `{}` requires TLS.": "区域 `{}` 要求 TLS。",
        "Write `CNY`, `USD`, `EUR` …": "请写 `CNY`、`USD`、`EUR` 等。",
        "`prices.currency` must be a code of three letters.": "`prices.currency` 必须是三个字母的代码。",
        "Seven digits and six decimals at most.": "整数最多七位，小数最多六位。",
        "{} must be an amount of money such as `14` or `0.25`.": "{} 必须是金额，例如 `14` 或 `0.25`。",
        "Add it; `0` if it costs nothing.": "请补上；不收费则写 `0`。",
        "Write `prompt` and `completion`, or `per_hour`, or both.": (
            "请写 `prompt` 和 `completion`，或 `per_hour`，或都写。"
        ),
        "`sagemaker.region` is not the name of a region.": "`sagemaker.region` 不是 AWS 区域名称。",
        "Set `invoke`.": "请设置 `invoke`。",
        "`payload: huggingface` goes with `invoke: invocations` only.": (
            "`payload: huggingface` 只能与 `invoke: invocations` 一起使用。"
        ),
        "It is `all` where we deployed.": "由我们部署的端点，其值为 `all`。",
        "`warm.variant` is not what SageMaker calls one.": "`warm.variant` 不符合 SageMaker 的命名规则。",
        "Make it longer than `cold_start`.": "请使其长于 `cold_start`。",
        "`warm.hold` is over before a start is: nothing would ever be ready.": (
            "`warm.hold` 在启动完成之前就已结束：永远不会就绪。"
        ),
        "Put the pool into a cloud zone.": "请将资源池放入云端区域。",
        "SageMaker is no part of the zone `{}`: what goes there has left the building.": (
            "SageMaker 不属于区域 `{}`：发往它的内容已经外发。"
        ),
        "A SageMaker pool has AWS keys and no `credential`.": "SageMaker 资源池使用 AWS 密钥，没有 `credential`。",
        "Write `sagemaker.credentials`, or nothing to use what the machine itself has.": (
            "请写 `sagemaker.credentials`；不写则使用本机已有的凭据。"
        ),
        "Remove them.": "请删除。",
        "`payload: huggingface` carries no capabilities.": "`payload: huggingface` 不支持任何能力。",
        "`region` is not the name of a region.": "`region` 不是 AWS 区域名称。",
        "Correct one of them.": "请更正其中一个。",
        "`region` is another than the endpoint's host is in.": "`region` 与端点主机所在区域不同。",
        "The address of a SageMaker endpoint ends in `/endpoints/NAME`.": (
            "SageMaker 端点的地址以 `/endpoints/NAME` 结尾。"
        ),
        "Write `https://runtime.sagemaker.REGION.amazonaws.com/endpoints/NAME`.": (
            "请写成 `https://runtime.sagemaker.REGION.amazonaws.com/endpoints/NAME`。"
        ),
        "Letters, digits and `-`, at most 63 of them; `tidegate sagemaker status` names it.": (
            "字母、数字和 `-`，最多 63 个字符；`tidegate sagemaker status` 会显示该名称。"
        ),
        "{} is not what SageMaker calls one.": "{} 不符合 SageMaker 的命名规则。",
        "Write `{file: path}` or `{env: NAME}`, and replace the secret: it was readable here.": (
            "请写成 `{file: path}` 或 `{env: NAME}`，并更换密钥：它曾以明文写在这里。"
        ),
        "{} must not stand in this file itself.": "{} 不能直接写在此文件中。",
        "Write `{file: path}` or `{env: NAME}`.": "请写成 `{file: path}` 或 `{env: NAME}`。",
        "{} comes from exactly one place.": "{} 只能有一个来源。",
        "This is not the name of an environment variable.": "这不是环境变量的名称。",
        "Write `{env: NAME}`.": "请写成 `{env: NAME}`。",
        "This is not a public key.": "这不是公钥。",
        "`tidegate policy signer` prints the line for this file.": "`tidegate policy signer` 会输出写入此文件的一行。",
        "Another signer has this key.": "另有签名人使用此密钥。",
        "Each person has a key of his own.": "每个人应使用自己的密钥。",
        "This is not a signature.": "这不是签名。",
        "`tidegate policy sign` writes this file.": "此文件由 `tidegate policy sign` 写入。",
        "Remove one of the two.": "请删除其中一个。",
        "This signer has signed already.": "此签名人已经签过名。",
        "Leave it out for `tidegate`.": "不写则为 `tidegate`。",
        "`{}.prefix` must be letters, digits and `. _ : -`, at most 40 of them.": (
            "`{}.prefix` 必须由字母、数字和 `. _ : -` 组成，最多 40 个字符。"
        ),
        "Add `password: {file: path}`.": "请添加 `password: {file: path}`。",
        "`{}` has a user without a password.": "`{}` 有用户名而没有密码。",
        "Write `address: host:6379`, `address: unix:/path`, `sentinel: {…}` or `cluster: [host:6379]`.": (
            "请写 `address: host:6379`、`address: unix:/path`、`sentinel: {…}` 或 `cluster: [host:6379]`。"
        ),
        "`{}` must be in exactly one place.": "`{}` 必须且只能位于一处。",
        "A socket file has no other nodes beside it.": "套接字文件没有其他节点。",
        "Each of {} must be `host:port`.": "{} 的每一项必须是 `host:port`。",
        "Redis's own is 6379.": "Redis 默认为 6379。",
        "{} needs the port on which the server listens.": "{} 需要写明服务器监听的端口。",
        "Write `tls: system`, or `tls: {ca: file.pem}`.": "请写 `tls: system` 或 `tls: {ca: file.pem}`。",
        "`tls` must say whom we trust.": "`tls` 必须写明信任谁。",
        "Write `default: {ceiling: …}`.": "请写 `default: {ceiling: …}`。",
        "`classes` must not be empty.": "`classes` 不能为空。",
        "Write a lower label, or leave it out.": "请写更低的标签，或不写。",
        "`attests` is above `label.default`, `{}`: a class can only vouch for less.": (
            "`attests` 高于 `label.default`（`{}`）：类别只能担保更低的标签。"
        ),
        "This ceiling is above the policy's cloud ceiling, `{}`: a class may only lower it.": (
            "此上限高于策略的云端上限 `{}`：类别只能将其降低。"
        ),
        "Write `{}` or lower.": "请写 `{}` 或更低的标签。",
        "A pool with `backend: sagemaker` needs the package `botocore`.": (
            "使用 `backend: sagemaker` 的资源池需要软件包 `botocore`。"
        ),
        "Run `pip install 'tidegate[cloud]'`.": "请运行 `pip install 'tidegate[cloud]'`。",
        "The tier `ner` needs models, which are not installed.": "层级 `ner` 需要模型，而模型尚未安装。",
        "A full scan needs models, which are not installed.": "完整扫描需要模型，而模型尚未安装。",
        "The metrics token must not be the admin token.": "指标令牌不能与管理令牌相同。",
        "Tokens of an issuer need packages that are not installed.": "使用签发方的令牌需要尚未安装的软件包。",
        "Run `pip install 'tidegate[oidc]'`.": "请运行 `pip install 'tidegate[oidc]'`。",
        "this is not an Ed25519 public key in PEM form.": "不是 PEM 格式的 Ed25519 公钥。",
        "another gateway writes here.": "另一个网关正在写入此处。",
        "Stop it, or give this one a state_dir of its own.": "请停止它，或为本网关另设 state_dir。",
        "its last line is not a checkpoint.": "最后一行不是检查点。",
        "Run `tidegate audit verify`, keep the folder as it is, and start again with another state_dir.": (
            "请运行 `tidegate audit verify`，原样保留此文件夹，并用另一个 state_dir 重新启动。"
        ),
        "it is gone and signing.pub is still there: a new key would not fit the checkpoints.": (
            "文件已不存在，而 signing.pub 仍在：新密钥与已有检查点不符。"
        ),
        "Restore it, or keep the folder as it is and start again with another state_dir.": (
            "请恢复该文件，或原样保留此文件夹并用另一个 state_dir 重新启动。"
        ),
        "this is not an Ed25519 private key in PEM form.": "不是 PEM 格式的 Ed25519 私钥。",
        "it does not belong to signing.key.": "与 signing.key 不配对。",
        "Restore the pair.": "请恢复这一对密钥。",
    }
)
