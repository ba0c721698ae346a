"""What needs no model though one would do better: addresses by their grammar, words about health and money, and people.

The rules for people are in `people.py`. Pure.
"""

from gateway.core.findings import Tier
from gateway.detect.people import PEOPLE
from gateway.detect.rules import LEFT, ODD_SPACE, RIGHT, Rule

_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Terrace|Ter|Square|Sq"
    r"|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Crescent|Close|Mews|Trail|Alley|Row)"
)
_STREET_ENDS = (
    r"\s?strasse|\s?straße|gasse|platz|allee|gata|gatan|gade|vej|veien|vegen|stien|katu|kuja|ntie|laan|straat|braut|stígur|gränd"
    "|vägen|ringweg|ertweg|enweg"
)
_STREET_FRONTS = (
    r"Rua|Rúa|Via|Viale|Calle|Avenida|Avda\.?|Strada|Corso|Piazza|Piazzetta|Plaza|Praça|Travessa|Carrer|Paseo|Rue"
    r"|[Uu]l\.|Ulica|Aleja|Náměstí"
)
_STREET_BEHIND = r"utca|út|tér|körút|sétány|kapu|u\."
_HAN_NUMBER = r"[0-9０-９一二三四五六七八九十百零〇]{1,6}"

# How a match begins, where that is worth looking for by itself.
_LIVING = (
    r"(?<![A-Za-z])(?i:(?:lives?|lived|living|resid(?:es?|ing)|located|arrived|office is|is) (?:at|in|on)"
    r"|address(?: is|:)|ship(?:ped)? to"
    r"|(?:return|send|deliver|mail)(?:ed)?(?: it| this| a new one)? to|moved to|relocat(?:ed|ing|ion) to)\s{1,3}"
)
_HOUSE = r"[0-9]{1,6}[A-Za-z]?,?\s"


def _address(
    name: str,
    pattern: str,
    score: float,
    *,
    ignore_case: bool = False,
    trigger: str | None = None,
    head: str | None = None,
) -> Rule:
    return Rule(
        name,
        "ADDRESS",
        pattern,
        score,
        compact=False,
        ignore_case=ignore_case,
        trigger=trigger,
        head=head,
        tier=Tier.NAMES,
    )


NAMES: tuple[Rule, ...] = (
    *PEOPLE,
    _address(
        "zh-street-and-number",
        r"(?P<v>[\u4e00-\u9fff]{1,14}(?:路|街|大道|大街|巷|弄|胡同|里弄|街道)\s?(?:[东西南北中]段)?\s?"
        + _HAN_NUMBER
        + r"(?:-[0-9]{1,4})?\s?[号弄號]"
        r"(?:[\u4e00-\u9fff0-9A-Za-z#-]{0,16}[室楼层栋幢座房])?)",
        0.8,
        trigger=r"(?:路|街|道|巷|弄|胡同)\s?(?:[东西南北中]段)?\s?[0-9０-９一二三四五六七八九十百零〇]",
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
        + r"(?:[0-9]{1,6}\s)?[0-9]{1,6}[A-Za-z]?(?:-[0-9]{1,4})?,?\s(?:[NSEW]\.?\s|(?i:north|south|east|west)\s)?"
        + r"(?:(?:[A-Z][A-Za-z'.]{0,20}|[0-9]{1,3}(?:st|nd|rd|th))\s)"
        rf"{{1,4}}{_STREET}(?![A-Za-z])",
        0.8,
        trigger=rf" {_STREET}(?![A-Za-z])|[\t\n\r]{_STREET}|{ODD_SPACE}[A-Z]",
    ),
    # "Kaiserstraße 12", "Hersnapvej 18", "Kiannonkatu 98"
    _address(
        "street-in-one-word",
        rf"(?<![A-Za-z])(?:(?<![0-9])[0-9]{{1,6}}\s)?[A-Za-zÀ-ž]{{2,24}}(?:{_STREET_ENDS})\s[0-9]{{1,4}}[a-z]?{RIGHT}",
        0.7,
        ignore_case=True,
        trigger=rf"(?i)(?:{_STREET_ENDS})\s[0-9]".replace(r"\s?", ""),
    ),
    # "Erzsébet tér 19."
    _address(
        "street-in-hungarian",
        rf"(?<![A-Za-z])(?:(?<![0-9])[0-9]{{1,6}}\s)?[A-ZÀ-Þ][a-zß-ž]{{1,24}}(?:\s[A-ZÀ-Þa-zß-ž]{{1,24}})?"
        rf"\s(?:{_STREET_BEHIND})\s[0-9]{{1,4}}(?:\.|{RIGHT})",
        0.7,
        trigger=rf"(?:{_STREET_BEHIND})\s[0-9]",
    ),
    # "Rua do Arenque 1634", "Via Franscini 71", "ul. Słowicza 10"
    _address(
        "street-in-front",
        rf"(?<![A-Za-z])(?:(?<![0-9])[0-9]{{1,6}}\s)?(?:{_STREET_FRONTS})\s(?:[^\s,0-9]{{1,20}}\s){{1,5}}[0-9]{{1,5}}{RIGHT}",
        0.7,
        trigger=_STREET_FRONTS,
    ),
    # "12 bis, rue de la Paix"
    _address(
        "street-in-french",
        LEFT + r"(?:[0-9]{1,6}\s)?[0-9]{1,4}(?:\s(?:bis|ter))?,?\s(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]hemin"
        r"|[Aa]llée|[Ii]mpasse|[Qq]uai)"
        r"\s(?:(?:de|du|des|la|le|les)\s|[dl]['’]){0,3}(?:[a-zà-ÿ]{2,14}\s)?[A-ZÀ-Þ][^\s,]{1,24}",
        0.75,
        trigger=r"[Rr]ue\s|[Aa]venue\s|[Bb]oulevard\s|[Pp]lace\s|[Cc]hemin\s|[Aa]llée\s|[Ii]mpasse\s|[Qq]uai\s",
    ),
    # "lives at 86036 Rua do Arenque": a number and a capital behind words that announce an address.
    _address(
        "address-after-cue",
        rf"{_LIVING}(?P<v>{_HOUSE}(?:[0-9]{{1,5}}\s)?[A-ZÀ-ÞĀ-Ž][^\s,0-9]{{2,24}}(?:\s[^\s,0-9]{{1,24}}){{0,4}}(?:\s[0-9]{{1,5}}|,\s?[A-Z]|\n))",
        0.65,
        # "on 12 March" is in any text: that alone calls for nothing.
        trigger=r"(?i)(?: (?:at|in|to|is)|(?:live[sd]?|living|resid(?:es?|ing)|located|arrived|is) on|address:)"
        r"\s{1,3}[0-9]{1,6}[A-Za-z]?,?\s",
        head=_LIVING + _HOUSE,
    ),
    # "Trivo lives on Grössgstötten 50"
    _address(
        "home-after-cue",
        r"(?<![A-Za-z])(?:lives?|lived|living|resid(?:es?|ing))\s(?:on|at)\s(?P<v>(?![A-Z][a-z]{2,6}day\s)[A-ZÀ-Þ][^\s,;.0-9]{2,24}(?:\s[^\s,;.0-9]{1,24})"
        r"{0,3}\s[0-9]{1,4})" + RIGHT,
        0.65,
        trigger=r"(?:live[sd]?|living|resid(?:es?|ing))\s(?:on|at)\s",
    ),
    # "address:" and a house number, whatever the case of what follows.
    _address(
        "address-in-field",
        r"(?<![a-z])address:\s{1,3}(?P<v>[0-9]{1,6}[a-z]?,?\s(?:[^\s,;:0-9]{2,24}\s){1,4}[0-9]{1,5})" + RIGHT,
        0.65,
        ignore_case=True,
        trigger=r"(?i)address:\s{1,3}[0-9]",
    ),
    Rule(
        "apartment",
        "ADDRESS",
        r"(?<![A-Za-z])(?:Apt\.?|Apartment|Flat|Suite|Ste\.?)\s#?(?!(?:19|20)[0-9]{2}(?![0-9]))[0-9]{1,4}[A-Za-z]?"
        + RIGHT,
        0.55,
        compact=False,
        unless=r"(?:test|office|creative|cloud|business|benchmark|product|protocol)\s\Z",
        trigger=r"(?:Apt\.?|Apartment|Flat|Suite|Ste\.?)\s#?[0-9]",
        tier=Tier.NAMES,
    ),
    _address(
        "military-post",
        LEFT + r"(?:(?:PSC|Unit|CMR)\s[0-9]{3,5},?\sBox\s[0-9]{1,6}|[AFD]PO,?\sA[AEP]\s[0-9]{5})" + RIGHT,
        0.75,
        ignore_case=True,
        trigger=r"(?i)[0-9],?\sbox\s[0-9]|[afd]po,?\sa[aep]\s",
    ),
    _address(
        "po-box",
        r"(?<![a-z])(?:(?<![0-9])[0-9]{1,6}\s)?(?:p\.?\s?o\.?\s?box|postbox|postfach)\s[0-9]{1,7}" + RIGHT,
        0.75,
        ignore_case=True,
        trigger=r"(?i)(?:box|postfach)\s[0-9]",
    ),
    # "deliver it to the corner of Csabai kapu 39 and Mathias Pass": one of the two is a street with its number.
    _address(
        "street-corner",
        r"(?<![A-Za-z])corner\sof\s(?P<v>(?=[^\n.,;]{0,40}[0-9])[0-9A-ZÀ-Þ][^\n,;]{2,40}\sand\s"
        r"(?:[0-9A-ZÀ-Þ][^\s,;.?]{1,20})(?:\s[0-9A-ZÀ-Þ][^\s,;.?]{0,20}){0,3})",
        0.65,
        trigger=r"corner\sof\s",
    ),
    # "20789 Allika 46, Suite 501": what a flat or a suite belongs to.
    Rule(
        "numbers-beside-apartment",
        "ADDRESS",
        r"(?<![0-9A-Za-z])(?P<v>[0-9]{1,6}\s[A-ZÀ-Þ][^\s,;:0-9]{2,24}(?:\s[A-ZÀ-Þ][^\s,;:0-9]{1,24}){0,2}\s[0-9]{1,4})"
        + RIGHT,
        0.65,
        compact=False,
        context=r"(?:apt\.?|apartment|(?<!test )suite|flat)\s[0-9]{1,5}",
        reach=20,
        after=14,
        trigger=r"(?i)(?:apt\.?|apartment|suite|flat)\s[0-9]",  # the words, which are rarer than the numbers
        tier=Tier.NAMES,
    ),
    # The last line of an address: "Apt. 595 … Denmark 35018".
    Rule(
        "postcode-behind-place",
        "ADDRESS",
        r"(?<![A-Za-z])[A-Z][A-Za-z]{2,20}(?:\s[A-Z][a-z]{2,20})?\s(?P<v>[0-9]{5})(?![0-9A-Za-z-])",
        0.6,
        compact=False,
        context=r"(?<![a-z])(?:apt\.?|apartment|(?<!test )suite|flat|p\.?o\.? box|postbox)\s[0-9]{1,5}",
        reach=72,
        unless=r"(?:port|error|order|ticket|number|id|code|invoice|case|row|line|version|seed|room|about|than)\s\Z",
        trigger=r"(?i)(?:apt\.?|apartment|suite|flat|box)\s[0-9]",
        tier=Tier.NAMES,
    ),
    _address(
        "us-city-state-zip",
        r"[A-Z][a-z]{1,20},\s[A-Z]{2}\s{1,2}[0-9]{5}(?:-[0-9]{4})?" + RIGHT,
        0.7,
        trigger=rf"[A-Z] {{1,2}}[0-9]{{5}}|[\t\n\r] ?[0-9]{{5}}|{ODD_SPACE} ?[0-9]{{5}}",
    ),
    Rule(
        "health-zh",
        "HEALTH_CONTEXT",
        r"诊断|診斷|确诊|病历|病歷|病史|处方|住院|门诊|化疗|放疗|手术|术后|癌|肿瘤|腫瘤|白血病|糖尿病|高血压"
        r"|冠心病|艾滋|梅毒|乙肝|肝炎|抑郁症"
        r"|精神分裂|双相情感|焦虑症|癫痫|怀孕|流产|孕检|体检报告|化验单|服药|用药|过敏史|医嘱|血压\s?[0-9]|血糖",
        0.7,
        compact=False,
        tier=Tier.NAMES,
    ),
    Rule(
        "health-en",
        "HEALTH_CONTEXT",
        r"(?<![a-z])(?:diagnos(?:is|ed|es|tic)|prognosis|prescri(?:bed|ption)|chemotherapy|radiotherapy"
        r"|oncolog(?:y|ist)"
        r"|cancer|tumou?r|leuka?emia|diabet(?:es|ic)|hypertension|hiv|aids|hepatitis|syphilis|depressi(?:on"
        r"|ve)|schizophreni[ac]|bipolar"
        r"|epilepsy|pregnan(?:t|cy)|miscarriage|abortion|surgery|biopsy|medication|dosage|symptoms?|patient"
        r"|hospitali[sz]ed"
        r"|blood pressure|psychiatr(?:ist|ic|y))(?![a-z])",
        0.6,
        compact=False,
        ignore_case=True,
        tier=Tier.NAMES,
    ),
    Rule(
        "finance-zh",
        "FINANCE_CONTEXT",
        r"工资|薪资|薪酬|月薪|年薪|奖金|余额|贷款|欠款|逾期|征信|信用评分|转账|汇款|流水|纳税|个税|年终奖"
        r"|绩效考核|股权激励",
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
