"""Names of people, found without a model: by the words before and behind them, by surname and title, by given name.

Weak evidence by nature: a name alone says little, a name with a diagnosis much. What they are worth together is the
policy's business. Pure.
"""

from collections.abc import Iterable

from gateway.core.findings import Tier
from gateway.detect.rules import Rule

SURNAME = (
    "(?:欧阳|司马|上官|诸葛|夏侯|皇甫|尉迟|公孙|慕容|长孙|宇文|司徒|东方|独孤|南宫|令狐|"
    "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆"
    "汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞"
    "颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻"
    "祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇"
    "栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝邸皮裘闻衡步满匡寿阙蔚隆巢蒯荆竺权逯盖桓晋鄢钦帅况佴谯廉牧井富焦由谌植练"
    "傅洪赖阎湛禹狄贝伏谈茅危昝宣贲郁杭诸钮嵇滑荀惠封芮羿储汲邴糜隗郗班仰伊暴钭厉戎祖束幸韶郜蓟薄宿邰鄂索籍蔺屠阴胥莘贡劳逄扶堵"
    "宰郦璩濮扈燕冀郏浦慕茹习宦鱼容慎戈庾暨居禄沃夔晁訾阚乜鞠丰綦亓仝啜"
    "張劉陳楊黃趙吳孫馬鄭謝許韓馮鄧蕭蔣葉蘇呂盧鍾譚陸賈鄒範龍賀顧龔萬錢嚴湯莊聶魯關蘭紀畢單華饒連蔔衛齊喬顏溫])"
)
HAN_NAME = SURNAME + r"[\u4e00-\u9fff]{1,2}"
_HAN_END = (
    r"(?![\u4e00-\u9fff])|(?=[的，。、；先女男电手身住因于在和与及跟同是为被把让称说表反映已确要刚将今昨上下来去入转打问想能可要有"
    r"没未不也都就又]|患者|生于|联系|沟通|小姐|太太|医生|老师|经理|同学|同志)"
)
_HAN_LABEL = (
    r"姓名|名字|患者|病人|客户|顾客|用户|会员|业主|租客|房东|联系人|收件人|收货人|寄件人|申请人|持卡人"
    r"|户名|开户人|收款人|付款人|汇款人"
    r"|法人|法定代表人|负责人|经办人|投保人|被保险人|受益人|当事人|员工|同事|候选人|应聘者|学员|学生|家长"
    r"|家属|监护人|借款人|担保人|证人|原告"
    r"|被告|被告人|嫌疑人|受害人|出租方|承租方|出租人|承租人|买方|卖方|甲方|乙方|委托人|代理人|投诉人"
    r"|报案人|xingming|huanzhe"
)
_HAN_TITLE = r"先生|女士|小姐|太太|医生|大夫|教授|老师|主任|律师|护士|阿姨|师傅|经理|总监|同学|同志"
_WORD = r"[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ'’-]{1,24}"
_MIDDLE = r"(?:[A-Z]\.?\s)?(?:(?:van|von|de|da|del|der|la|bin|al)\s){0,2}"
FULL_NAME = rf"{_WORD}(?:\s{_MIDDLE}{_WORD}){{0,3}}"
TWO_WORDS = rf"{_WORD}(?:\s{_MIDDLE}{_WORD}){{1,2}}"
_TITLE = r"(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam)"
_ROLE = (
    r"(?:witness|plaintiff|defendant|claimant|patient|customer|client|employee|contractor|tenant|landlord"
    r"|applicant|candidate|member"
    r"|student|guest|borrower|cardholder|beneficiary|nurse|colleague|coworker|manager|supervisor|husband"
    r"|wife|son|daughter|mother"
    r"|father|brother|sister|attn|contact|user|agent|signed|regards|sincerely)"
)
_BEFORE_NAME = (
    *(role + "[,:]?" for role in _ROLE[3:-1].split("|")),
    *(paper + " for" for paper in ("letter", "reference", "refund", "payslip", "visa", "appointment")),
    "on behalf of",
    "dear",
)
_AFTER_NAME = (
    r"(?:['’]s\s(?:salary|payslip|pay|bonus|diagnosis|treatment|chart|biopsy|surgery|prescription|loan"
    r"|mortgage|account|ssn|passport"
    r"|medication|blood|test\sresults)|\s(?:was|is|has\sbeen|had\sbeen|got|were)\s(?:recently\s"
    r"|just\s)?(?:diagnosed|admitted"
    r"|hospitali[sz]ed|prescribed|treated|behind\son|pregnant|fired|terminated|laid\soff|paid|suffering)"
    r"|\ssuffers\sfrom|\slives\sat)"
)

# Given names that are no words, places or months; a capitalised word must follow.
GIVEN_NAMES = (
    "James John Robert Michael William David Richard Joseph Thomas Charles Christopher Daniel Matthew"
    " Anthony Donald Steven Paul"
    " Andrew Joshua Kenneth Kevin Brian George Edward Ronald Timothy Jason Jeffrey Ryan Jacob Gary"
    " Nicholas Eric Jonathan Stephen"
    " Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Raymond Jerry Tyler Aaron Jose Adam Nathan"
    " Henry Douglas Zachary Peter Kyle Walter Ethan Jeremy Harold Keith Roger Gerald Carl Terry Sean"
    " Arthur Lawrence Jesse"
    " Dylan Bryan Joe Bruce Albert Willie Gabriel Logan Alan Juan Wayne Roy Ralph Randy Eugene Vincent"
    " Russell Elijah Louis"
    " Bobby Philip Johnny Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa"
    " Nancy Betty Margaret Sandra"
    " Ashley Kimberly Emily Donna Michelle Carol Amanda Dorothy Melissa Deborah Stephanie Rebecca Sharon"
    " Laura Cynthia Kathleen Amy"
    " Angela Shirley Anna Brenda Pamela Emma Nicole Helen Samantha Katherine Christine Debra Rachel"
    " Carolyn Janet Catherine Maria"
    " Heather Diane Ruth Julie Olivia Joyce Victoria Kelly Lauren Christina Joan Evelyn Judith Megan"
    " Andrea Cheryl Hannah"
    " Jacqueline Martha Gloria Teresa Ann Sara Madison Frances Kathryn Janice Jean Abigail Alice Julia"
    " Judy Sophia Denise Amber"
    " Marilyn Danielle Beverly Isabella Theresa Diana Natalie Brittany Marie Kayla Alexis Lori Noah Liam"
    " Mason Lucas Oliver Aiden"
    " Mia Ava Chloe Zoe Lily Ella Nora Hazel Aria Layla Caleb Isaac Luke Owen Wyatt Leo Julian Levi"
    " Isaiah Carlos Luis Miguel"
    " Diego Pedro Pablo Javier Fernando Alejandro Sergio Ricardo Antonio Francisco Manuel Rafael Carmen"
    " Lucia Sofia Elena Isabel"
    " Rosa Marta Luca Marco Giovanni Giulia Chiara Francesca Paolo Stefano Alessandro Pierre Jacques"
    " Claude Michel Philippe Camille"
    " Hans Klaus Jürgen Stefan Wolfgang Dieter Greta Heidi Ingrid Lars Erik Anders Sven Nils Bjorn"
    " Astrid Freya Katja Ivan Dmitri"
    " Sergei Vladimir Alexei Olga Natasha Irina Svetlana Tatiana Anastasia Piotr Pawel Agnieszka"
    " Katarzyna Magda Wei Ming Li Mei Xin"
    " Jing Yan Jun Hui Ling Hiroshi Kenji Takeshi Yuki Yuko Akira Haruto Sakura Aiko Ji-woo Min-jun"
    " Seo-yeon Priya Rahul Amit Anjali"
    " Sanjay Rajesh Deepak Sunita Neha Arjun Vikram Ravi Lakshmi Ananya Mohammed Muhammad Ahmed Ali Omar"
    " Fatima Aisha Hassan Ibrahim"
    " Yusuf Khalid Layla Amina Zainab Kwame Kofi Ama Chinedu Ngozi Amara Oluwaseun Thabo Siobhan Niamh"
    " Aoife Connor Declan Fiona"
)
_FAMOUS = (
    "Newton|Curie|Holmes|Turing|Austen|Lovelace|Lincoln|Einstein|Washington|Jefferson|Churchill|Darwin"
    "|Dickens|Edison|Tesla|Bell|Ford"
    "|Shakespeare|Vinci|Bennet|Darcy|Potter|Watson|Twain|Poe|Wilde|Joyce|Orwell|Hemingway|Fitzgerald"
    "|Steinbeck|Faulkner|Tolkien|Lewis"
    "|Christie|Bronte|Brontë|Eliot|Wordsworth|Keats|Byron|Shelley|Dickinson|Whitman|Frost|Galilei"
    "|Copernicus|Kepler|Hubble|Hawking"
    "|Feynman|Bohr|Planck|Heisenberg|Maxwell|Faraday|Pasteur|Fleming|Mendel|Freud|Jung|Marx|Smith and"
    " Jones|Keynes|Hume|Locke|Kant"
    "|Mill|Nietzsche|Beethoven|Mozart|Bach|Chopin|Picasso|Gogh|Monet|Luther|Parks|Gandhi|Mandela|Kennedy"
    "|Roosevelt|Obama|Trump|Biden"
    "|Gates|Jobs|Musk|Bezos|Buffett|Swift|Lennon|Jackson|Hopper|Knuth|Torvalds|Dijkstra|Neumann"
    "|Antoinette|Arc|Hood|Kong"
)


def _starting(words: Iterable[str], *, after: str, any_case: bool) -> str:
    """One of `words`, not behind a character of `after`, as Python finds it fastest: by its first letter, from which
    the look-behind looks back."""
    rests: dict[str, list[str]] = {}
    for word in words:
        for first in {word[0], word[0].swapcase()} if any_case else {word[0]}:
            rests.setdefault(first, []).append(word[1:])
    flag = "i" if any_case else ""
    return "|".join(
        f"{first}(?<![{after}]{first})(?{flag}:{'|'.join(those)})" for first, those in sorted(rests.items())
    )


_A_GIVEN_NAME = _starting(GIVEN_NAMES.split(), after="A-Za-z'’-", any_case=False)
_A_ROLE = _starting(_BEFORE_NAME, after="A-Za-z", any_case=True)


# How a match begins, where that is worth looking for by itself.
_TITLED = rf"(?<![A-Za-z])(?i:{_TITLE})\.?\s"
_CUED = (
    r"(?<![A-Za-z])(?i:my name is|name['’]s|(?:name|(?:patient|customer|client)(?: name)?|contact|employee)[\"']?"
    r"\s{0,2}[:=]|cardholder(?: name)?\s{0,2}[:=]?|i am called|named)"
)
_CAPITAL = "[A-ZÀ-ÖØ-Þ]"


def _name(name: str, pattern: str, score: float, trigger: str | None = None, head: str | None = None) -> Rule:
    return Rule(name, "PERSON", pattern, score, compact=False, trigger=trigger, head=head, tier=Tier.NAMES)


PEOPLE: tuple[Rule, ...] = (
    _name(
        "zh-name-after-label",
        rf"(?:{_HAN_LABEL})(?:姓名|名称|名)?\s{{0,2}}[:：=｜|\"“]{{1,3}}\s{{0,3}}(?P<v>{HAN_NAME})",
        0.7,
        trigger=rf"(?:{_HAN_LABEL})(?:姓名|名称|名)?\s{{0,2}}[:：=｜|\"“]",
    ),
    # Behind these nothing else stands between a colon and the end of the field, whatever its first character.
    _name(
        "zh-name-in-field",
        r"(?:姓名|借款人|担保人|申请人|投保人|被保险人|受益人|收件人|收货人|收款人|持卡人|监护人|承租[方人]|出租[方人]|委托人|患者)"
        r"\s{0,2}[:：=]\s{0,3}[\"“]?(?P<v>[\u4e00-\u9fff]{2,3})(?=[，,；;。\n（(\"”|]|\s|\Z)",
        0.6,
        trigger=r"(?:姓名|[款保请险益件货卡护租托]人|[承出]租方|患者)\s{0,2}[:：=]",
    ),
    _name(
        "zh-name-after-cue",
        rf"(?:我叫|名叫|叫做|我是|本人|姓名为|姓名是|{_HAN_LABEL}|xingming"
        rf"|huanzhe)\s{{0,2}}(?P<v>{HAN_NAME})(?:{_HAN_END})",
        0.6,
        trigger=rf"(?:我叫|名叫|叫做|我是|本人|姓名[为是]|{_HAN_LABEL})\s{{0,2}}{SURNAME}",
    ),
    # `"name":"…"`, and the same after the JSON has been taken apart.
    _name(
        "zh-name-after-key",
        rf"(?<![A-Za-z])(?i:(?:full|customer|patient|real|user)?[_ ]?name"
        rf"|xingming)[\"']?\s{{0,2}}[:：=]?\s{{0,2}}[\"']?(?P<v>{HAN_NAME})(?![\u4e00-\u9fff])",
        0.65,
        trigger=r"(?i)(?:name|xingming)[\"']?\s{0,2}[:：=]?\s{0,2}[\"']?[\u4e00-\u9fff]",
    ),
    _name(
        "zh-surname-and-title",
        rf"(?:(?<![\u4e00-\u9fff])"
        rf"|(?<=[和与跟给找让请问是为被由向对把将及叫的了告派托替陪见看等到经]))(?P<v>{SURNAME}[\u4e00-\u9fff]{{0,2}}(?:{_HAN_TITLE}))",
        0.55,
        trigger=_HAN_TITLE,
    ),
    # "…要开离职证明", "…的工资": what is done with a person, behind a name that begins a clause.
    _name(
        "zh-name-before-cue",
        rf"(?<![\u4e00-\u9fff])(?P<v>{HAN_NAME})(?=(?:刚|昨天|今天|最近|被|已|已经)?(?:确诊|查出|诊断|患有"
        rf"|患了|得了|住院|入院|怀孕|做了?手术"
        r"|要开|要办|申请|离职|入职|辞退|欠|拖欠|逾期|贷款)|的(?:工资|薪资|薪酬|月薪|年薪|奖金|绩效|病历|病情"
        r"|诊断|检查|报告|贷款|欠款|账户|存款|手术))",
        0.6,
        trigger=(
            rf"{SURNAME}[\u4e00-\u9fff]{{1,5}}(?:确诊|查出|诊断|患有|患了|得了|住院|入院|怀孕|手术|要开|要办|申请"
            rf"|离职|入职|辞退|欠|逾期|贷款"
            r"|的(?:工资|薪资|薪酬|月薪|年薪|奖金|绩效|病历|病情|检查|报告|账户|存款))"
        ),
    ),
    # A name in a field by itself, an identifier in the next one: a line of CSV, a form.
    _name(
        "zh-name-before-number",
        rf"(?:\A|(?<=[\n,，、；;|：:（(]))\s?(?P<v>{HAN_NAME})\s?[,，（(|;；]\s?(?:[男女]\s?[,，|]\s?)?(?=[1-9][0-9]{{10}})",
        0.6,
        trigger=r"[\u4e00-\u9fff]\s?[,，（(|;；]\s?[1-9][0-9]{10}",
    ),
    _name(
        "en-title-and-name",
        rf"{_TITLED}(?P<v>{FULL_NAME})",
        0.6,
        # Each by itself: Hyperscan looks for two letters and a space much faster than for one of many words.
        trigger="|".join(rf"(?i:{title})[.\s]\s?[A-ZÀ-Þ]" for title in _TITLE[3:-1].split("|")),
        head=_TITLED + _CAPITAL,
    ),
    _name(
        "en-name-after-cue",
        rf"{_CUED}\s{{0,3}}[\"']?(?P<v>{FULL_NAME})",
        0.65,
        trigger=(
            r"(?i)name is|name['’]s|name[\"']?\s{0,2}[:=]|(?:patient|customer|client|contact|employee)[\"']?\s{0,2}[:=]"
            r"|cardholder|i am called|named"
        ),
        head=_CUED,
    ),
    _name(
        "en-name-after-role",
        rf"(?:{_A_ROLE})\s{{1,2}}"
        rf"(?P<v>(?!(?:Sir|Madam|Team|All|Hiring|Customer|Valued|Colleague|Friend|Santa|The|Our|Please|I|We"
        rf"|It)(?![a-z])){TWO_WORDS})",
        0.55,
        trigger=(
            rf"(?i:{_ROLE[3:-1]})[,:]?\s{{1,2}}[A-ZÀ-Þ]|(?i:(?:letter|reference|refund|payslip|visa|appointment)"
            rf" for|behalf of|dear)\s{{1,2}}[A-ZÀ-Þ]"
        ),
        head=rf"(?:{_A_ROLE})\s{{1,2}}{_CAPITAL}",
    ),
    _name(
        "en-name-before-cue",
        rf"(?<![A-Za-z])(?P<v>{TWO_WORDS}){_AFTER_NAME}(?![a-z])",
        0.6,
        trigger=_AFTER_NAME,
    ),
    _name(
        "en-given-name",
        rf"(?P<v>(?:{_A_GIVEN_NAME}) {_MIDDLE}(?!(?:{_FAMOUS})(?![A-Za-z])){_WORD})",
        0.5,
        trigger="|".join(f"{given} " for given in GIVEN_NAMES.split()),
        head=f"(?:{_A_GIVEN_NAME}) ",
    ),
)
