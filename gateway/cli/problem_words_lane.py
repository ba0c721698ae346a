"""Chinese for what is wrong with the endpoint in SageMaker, its package and its weights."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "`cost.most_per_hour` is {}, and nobody here knows what {} costs.": (
            "`cost.most_per_hour` 为 {}，而 {} 的价格未知。"
        ),
        "Write `cost: {instance_hour: …}` as well.": "请同时写 `cost: {instance_hour: …}`。",
        "{} × {} may cost {} {} per hour.": "{} × {} 每小时可能花费 {} {}。",
        "`cost.most_per_hour` allows {}: lower the number of instances, or raise it.": (
            "`cost.most_per_hour` 只允许 {}：请减少实例数量，或调高该值。"
        ),
        "AWS refused {}: an error.": "AWS 拒绝了 {}：出错。",
        "AWS refused {}: {}.": "AWS 拒绝了 {}：{}。",
        "`tidegate sagemaker policy --for operator` prints what these keys must be allowed.": (
            "`tidegate sagemaker policy --for operator` 会输出这些密钥所需的权限。"
        ),
        "AWS does not know these keys. Renew them, or name another `access: {profile: …}`.": (
            "AWS 不认识这些密钥。请更新密钥，或指定另一个 `access: {profile: …}`。"
        ),
        "The keys have expired. Renew them and run this again.": "密钥已过期。请更新后重新运行。",
        "Make the bucket first: private, encrypted, in the lane's region.": (
            "请先创建存储桶：私有、加密，且与部署在同一区域。"
        ),
        "Ask AWS for a higher quota of this instance for endpoints, or lower `scaling.most`.": (
            "请向 AWS 申请提高此实例类型的端点配额，或调低 `scaling.most`。"
        ),
        "Too many calls at once. Run this again: it picks up where it stopped.": (
            "同时调用过多。请重新运行：会从中断处继续。"
        ),
        "Run this again: it picks up where it stopped.": "请重新运行：会从中断处继续。",
        "AWS could not be asked ({}).": "无法访问 AWS（{}）。",
        "Check the keys (AWS_PROFILE, a role, `access.profile`) and the way to AWS (`access.proxy`).": (
            "请检查密钥（AWS_PROFILE、角色、`access.profile`）以及到 AWS 的通路（`access.proxy`）。"
        ),
        "These keys are of another account than `account` says.": "这些密钥不属于 `account` 所写的账户。",
        "Use other keys, or correct `account`.": "请换用其他密钥，或更正 `account`。",
        "{} {} is gone, and not what was waited for.": "{} {} 已不存在，没有等到预期状态。",
        "{} {} is {}, and not what was waited for.": "{} {} 的状态为 {}，不是所等待的状态。",
        "The container's log says why: CloudWatch, /aws/sagemaker/Endpoints/. Then run this again.": (
            "原因见容器日志：CloudWatch，/aws/sagemaker/Endpoints/。之后请重新运行。"
        ),
        "AWS took the update back.": "AWS 回滚了此次更新。",
        "The alarms and the container's log say why. The version before serves on.": (
            "原因见告警和容器日志。仍由之前的版本提供服务。"
        ),
        "What was made does not stay as it was made.": "已创建的资源随后又被改动。",
        "Is somebody else deploying this lane? `tidegate sagemaker deploy --plan` shows what differs.": (
            "是否有其他人正在部署？`tidegate sagemaker deploy --plan` 会列出差异。"
        ),
        "There is no endpoint for this.": "没有对应的端点。",
        "`tidegate sagemaker deploy` makes one.": "可用 `tidegate sagemaker deploy` 创建。",
        "There is no version before the one that serves.": "在用版本之前没有其他版本。",
        "What arrived in the bucket is not what the file holds.": "存储桶收到的内容与文件不符。",
        "Did the file change meanwhile? Run this again.": "文件是否在此期间发生了变化？请重新运行。",
        "Choose another `name`, or remove that one yourself.": "请换一个 `name`，或自行删除该端点。",
        "Name a `role`, choose another `name`, or remove that one yourself.": (
            "请指定 `role`，换一个 `name`，或自行删除该角色。"
        ),
        "Look at it in AWS's console, then `tidegate sagemaker destroy` and `deploy`.": (
            "请在 AWS 控制台中查看，然后运行 `tidegate sagemaker destroy` 和 `deploy`。"
        ),
        "`tidegate sagemaker destroy` it first, or give this one another `name`.": (
            "请先运行 `tidegate sagemaker destroy`，或换一个 `name`。"
        ),
        "`sagemaker/README.md` has one to start from.": "`sagemaker/README.md` 中有可作为起点的示例。",
        "The package cannot be read ({}).": "无法读取模型包（{}）。",
        "Make one as sagemaker/README.md says, or mend `package`.": "请按 sagemaker/README.md 制作，或更正 `package`。",
        "The documents name the account, and the file does not.": "这些文档要写明账户，而文件中没有。",
        "The template names the account, and the file does not.": "模板要写明账户，而文件中没有。",
        'Add `account: "…"`.': '请添加 `account: "…"`。',
        "A package's name ends in `.tar.gz`.": "模型包的名称以 `.tar.gz` 结尾。",
        "SageMaker takes no other form.": "SageMaker 不接受其他格式。",
        "Make it first.": "请先创建。",
        "There are two keys: a secret, and `encryption.weights`.": (
            "有两个密钥：一个是密钥文件，一个是 `encryption.weights`。"
        ),
        "This cannot be read ({}).": "无法读取（{}）。",
        "Name a folder, a .gguf file, or s3://BUCKET/FOLDER.": "请指定文件夹、.gguf 文件或 s3://BUCKET/FOLDER。",
        "Weights in S3 need the file: it says how AWS is reached.": "权重在 S3 中时需要此文件：它写明如何访问 AWS。",
        "Write it first.": "请先写好。",
        "The package would lie among its own weights.": "模型包会位于自身的权重之中。",
        "Name another `--to`.": "请换一个 `--to`。",
        "There is no room for it: it takes {} MiB.": "空间不足：需要 {} MiB。",
        "Make room, or name another place with `--to`.": "请腾出空间，或用 `--to` 指定其他位置。",
        "This file changed while it was packed.": "打包时此文件发生了变化。",
        "Run this again.": "请重新运行。",
        "What arrived is not what S3 says that it holds.": "收到的内容与 S3 所记录的不符。",
        "Somebody else is writing this package.": "另有进程正在写入此模型包。",
        "Wait for it, or name another `--to`.": "请等待其完成，或换一个 `--to`。",
        "The package cannot be written ({}).": "无法写入模型包（{}）。",
        "Check the folder and its room; nothing was changed.": "请检查文件夹及其空间；没有任何改动。",
        "A rehearsal needs the package `{}`.": "演练需要软件包 `{}`。",
        "pip install 'tidegate[rehearse]'": "pip install 'tidegate[rehearse]'",
        "{} did not start.": "{} 没有启动。",
        "Is something else using this machine's memory?": "是否有其他程序占用了本机内存？",
        "The package cannot be unpacked.": "无法解开模型包。",
        "Make one as sagemaker/README.md says.": "请按 sagemaker/README.md 制作。",
        "{} is not between `scaling.least` ({}) and `scaling.most`.": (
            "{} 不在 `scaling.least`（{}）与 `scaling.most` 之间。"
        ),
        "`scaling.most` is {}.": "`scaling.most` 为 {}。",
        "Nobody is here to confirm.": "没有人可以确认。",
        "Add `--yes`.": "请加上 `--yes`。",
        "That is not the lane's name.": "名称不符。",
        "Nothing was removed.": "没有删除任何内容。",
        "Rename the object.": "请给该对象改名。",
        "This is more than SageMaker takes.": "超出 SageMaker 的限制。",
        "Name the model's folder.": "请指定模型的文件夹。",
        "There is nothing in this place.": "此位置没有任何内容。",
        "Mend the address.": "请更正地址。",
        "This link leads nowhere.": "此链接没有指向任何文件。",
        "This link leads out of the folder.": "此链接指向文件夹之外。",
        "Put the file itself there.": "请放入文件本身。",
        "This is a link to a folder.": "这是指向文件夹的链接。",
        "Put the folder itself there.": "请放入文件夹本身。",
        "This is neither a file nor a folder.": "这既不是文件，也不是文件夹。",
        "The name has characters that not every system can unpack.": "名称中有部分系统无法解包的字符。",
        "The name is too long to be unpacked.": "名称过长，无法解包。",
        "The path is absolute.": "路径是绝对路径。",
        "The path leads out of the package, or nowhere.": "路径指向包外，或没有指向任何位置。",
        "Its place in the package is taken.": "它在包中的位置已被占用。",
        "There is no model: neither a `.gguf` file nor a `config.json` at the top.": (
            "没有模型：顶层既没有 `.gguf` 文件，也没有 `config.json`。"
        ),
        "Name the folder that holds them.": "请指定存放它们的文件夹。",
        "There is no `inference.py`, so that the container could not answer.": "没有 `inference.py`，容器将无法应答。",
        "Name the folder that holds it with `--code`, or leave that out.": (
            "请用 `--code` 指定其所在文件夹，或不写 `--code`。"
        ),
        "It would have {} files; at most 20000 are taken.": "将有 {} 个文件，最多只接受 20000 个。",
        "It would have {} bytes; SageMaker takes at most {}.": "将有 {} 字节，SageMaker 最多接受 {} 字节。",
        "Quantize the model, or choose a smaller one.": "请量化模型，或选用更小的模型。",
    }
)
