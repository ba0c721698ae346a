"""Names, addresses and context words, found without a model: by cues, surname and title, and the grammar of addresses.

Weak evidence by nature: a name alone says little, a name with a diagnosis much. What they are worth together is the
policy's business. Pure.
"""

from gateway.core.findings import Tier
from gateway.detect.rules import LEFT, ODD_SPACE, RIGHT, Rule

_SURNAME = (
    "(?:欧阳|司马|上官|诸葛|夏侯|皇甫|尉迟|公孙|慕容|长孙|宇文|司徒|东方|独孤|南宫|令狐|"
    "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆"
    "汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞"
    "颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻"
    "祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇"
    "栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
    "張劉陳楊黃趙吳孫馬鄭謝許韓馮鄧蕭蔣葉蘇呂盧鍾譚陸賈鄒範龍賀顧龔萬錢嚴湯莊聶魯關蘭紀畢單華饒連蔔衛齊喬顏溫])"
)
_GIVEN = r"[\u4e00-\u9fff]{1,2}"
_NAME_END = r"(?![\u4e00-\u9fff])|(?=[的，。、；先女男电手身住因于在和与及是为,.;:：（(\s]|患者|生于|联系)"
_TITLE = r"(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam)"
_WORD = r"[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ'’-]{1,24}"
_FULL_NAME = rf"{_WORD}(?:\s(?:[A-Z]\.\s)?(?:(?:van|von|de|da|del|der|la|bin|al)\s){{0,2}}{_WORD}){{0,3}}"
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Terrace|Ter|Square|Sq"
    r"|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Crescent|Close|Mews|Trail|Alley|Row)"
)
_HAN_NUMBER = r"[0-9０-９一二三四五六七八九十百零〇]{1,6}"


def _name(name: str, pattern: str, score: float, *, ignore_case: bool = False, trigger: str | None = None) -> Rule:
    return Rule(
        name, "PERSON", pattern, score, compact=False, ignore_case=ignore_case, trigger=trigger, tier=Tier.NAMES
    )


def _address(name: str, pattern: str, score: float, *, ignore_case: bool = False, trigger: str | None = None) -> Rule:
    return Rule(
        name, "ADDRESS", pattern, score, compact=False, ignore_case=ignore_case, trigger=trigger, tier=Tier.NAMES
    )


NAMES: tuple[Rule, ...] = (
    _name(
        "zh-name-after-label",
        r"(?:姓名|名字|患者|病人|客户|联系人|收件人|收货人|申请人|持卡人|户名|法人|法定代表人|经办人|投保人|被保险人|当事人|员工"
        r"|学生|家长|借款人|担保人|证人|原告|被告|嫌疑人)(?:姓名|名称|名)?\s{0,2}[:：=｜|\"“]{1,3}\s{0,3}(?P<v>"
        + _SURNAME
        + _GIVEN
        + r")",
        0.7,
        trigger=r"(?:姓名|名字|患者|病人|客户|联系人|件人|收货人|申请人|持卡人|户名|法人|代表人|经办人|投保人|保险人|当事人|员工|学生|家长|借款人|担保人|证人|原告|被告|嫌疑人)(?:姓名|名称|名)?\s{0,2}[:：=｜|\"“]",
    ),
    _name(
        "zh-name-after-cue",
        r"(?:我叫|名叫|叫做|我是|本人|姓名|姓名为|姓名是|患者|病人|联系人|收件人)\s{0,2}(?P<v>"
        + _SURNAME
        + _GIVEN
        + rf")(?:{_NAME_END})",
        0.6,
        trigger=r"我叫|名叫|叫做|我是|本人|姓名|患者|病人|联系人|收件人",
    ),
    _name(
        "zh-surname-and-title",
        r"(?<![\u4e00-\u9fff])(?P<v>"
        + _SURNAME
        + r"[\u4e00-\u9fff]{0,2}(?:先生|女士|小姐|太太|医生|大夫|教授|老师|主任|律师|护士|阿姨|师傅))",
        0.55,
        trigger=r"先生|女士|小姐|太太|医生|大夫|教授|老师|主任|律师|护士|阿姨|师傅",
    ),
    _name("en-title-and-name", rf"(?<![A-Za-z])(?i:{_TITLE})\.?\s(?P<v>{_FULL_NAME})", 0.6),
    _name(
        "en-name-after-cue",
        r"(?<![A-Za-z])(?i:my name is|(?:name|(?:patient|customer|client)(?: name)?|contact|employee)\s{0,2}[:=]"
        rf"|cardholder(?: name)?\s{{0,2}}[:=]?|i am called|named)\s{{1,3}}(?P<v>{_FULL_NAME})",
        0.65,
    ),
    _address(
        "zh-street-and-number",
        r"(?P<v>[\u4e00-\u9fff]{1,14}(?:路|街|大道|大街|巷|弄|胡同|里弄|街道)\s?(?:[东西南北中]段)?\s?"
        + _HAN_NUMBER
        + r"(?:-[0-9]{1,4})?\s?[号弄號]"
        r"(?:[\u4e00-\u9fff0-9A-Za-z#-]{0,16}[室楼层栋幢座房])?)",
        0.8,
        trigger=r"(?:路|街|大道|巷|弄|胡同|里弄)\s?(?:[东西南北中]段)?\s?[0-9０-９一二三四五六七八九十百零〇]",
    ),
    _address(
        "zh-building-and-room",
        _HAN_NUMBER
        + r"\s?(?:号楼|栋|幢|座|号院|棟)\s?(?:[0-9一二三四五六七八九十A-Za-z]{1,3}\s?单元)?\s?"
        + r"(?:[0-9]{1,3}[层楼])?\s?[0-9]{2,5}\s?[室号房]?"
        + RIGHT,
        0.75,
        trigger=r"(?:号楼|栋|幢|座|号院|棟)\s{0,3}[0-9一二三四五六七八九十A-Za-z]",
    ),
    _address(
        "zh-division-and-place",
        r"[\u4e00-\u9fff]{2,8}[省市州盟](?:[\u4e00-\u9fff]{1,10}市)?[\u4e00-\u9fff]{1,10}[区县旗市][\u4e00-\u9fff]{1,16}"
        r"(?:路|街道|街|镇|乡|村|大道|小区|花园|公寓|大厦|社区)\s?[\u4e00-\u9fff]{0,4}[0-9]{0,5}",
        0.7,
        trigger=r"路|街|镇|乡|村|大道|小区|花园|公寓|大厦|社区",
    ),
    _address(
        "en-street",
        LEFT
        + r"[0-9]{1,6}[A-Za-z]?(?:-[0-9]{1,4})?,?\s(?:[NSEW]\.?\s|(?i:north|south|east|west)\s)?"
        + r"(?:(?:[A-Z][A-Za-z'.]{0,20}|[0-9]{1,3}(?:st|nd|rd|th))\s)"
        rf"{{1,4}}{_STREET}(?![A-Za-z])",
        0.8,
        trigger=rf" {_STREET}(?![A-Za-z])|[\t\n\r]{_STREET}|{ODD_SPACE}[A-Z]",
    ),
    _address("po-box", r"(?<![a-z])p\.?\s?o\.?\s?box\s[0-9]{1,7}" + RIGHT, 0.75, ignore_case=True),
    _address(
        "us-city-state-zip",
        r"[A-Z][a-z]{1,20},\s[A-Z]{2}\s{1,2}[0-9]{5}(?:-[0-9]{4})?" + RIGHT,
        0.7,
        trigger=rf"[A-Z] {{1,2}}[0-9]{{5}}|[\t\n\r] ?[0-9]{{5}}|{ODD_SPACE} ?[0-9]{{5}}",
    ),
    Rule(
        "health-zh",
        "HEALTH_CONTEXT",
        r"诊断|診斷|确诊|病历|病歷|病史|处方|住院|门诊|化疗|放疗|手术|术后|癌|肿瘤|腫瘤|白血病|糖尿病|高血压|冠心病|艾滋|梅毒|乙肝|肝炎|抑郁症"
        r"|精神分裂|双相情感|焦虑症|癫痫|怀孕|流产|孕检|体检报告|化验单|服药|用药|过敏史|医嘱|血压\s?[0-9]|血糖",
        0.7,
        compact=False,
        tier=Tier.NAMES,
    ),
    Rule(
        "health-en",
        "HEALTH_CONTEXT",
        r"(?<![a-z])(?:diagnos(?:is|ed|es|tic)|prognosis|prescri(?:bed|ption)|chemotherapy|radiotherapy|oncolog(?:y|ist)"
        r"|cancer|tumou?r|leuka?emia|diabet(?:es|ic)|hypertension|hiv|aids|hepatitis|syphilis|depressi(?:on|ve)|schizophreni[ac]|bipolar"
        r"|epilepsy|pregnan(?:t|cy)|miscarriage|abortion|surgery|biopsy|medication|dosage|symptoms?|patient|hospitali[sz]ed"
        r"|blood pressure|psychiatr(?:ist|ic|y))(?![a-z])",
        0.6,
        compact=False,
        ignore_case=True,
        tier=Tier.NAMES,
    ),
    Rule(
        "finance-zh",
        "FINANCE_CONTEXT",
        r"工资|薪资|薪酬|月薪|年薪|奖金|余额|贷款|欠款|逾期|征信|信用评分|转账|汇款|流水|纳税|个税|年终奖|绩效考核|股权激励",
        0.6,
        compact=False,
        tier=Tier.NAMES,
    ),
    Rule(
        "finance-en",
        "FINANCE_CONTEXT",
        r"(?<![a-z])(?:salary|salaries|payroll|payslip|pay stub|compensation package|severance|account balance"
        r"|credit score|overdraft|mortgage|loan application|wire transfer|bank statement|tax return|annual bonus"
        r"|performance review)(?![a-z])",
        0.6,
        compact=False,
        ignore_case=True,
        tier=Tier.NAMES,
    ),
)
