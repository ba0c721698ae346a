"""Made-up people, places and organisations, in Chinese and English.

Names are drawn from lists of frequent parts, rare surnames and two-character surnames among them, so that a detector
that knows only the hundred most frequent is seen to.
"""

from random import Random

ZH_FAMILY = (
    "王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗 梁 宋 郑 谢 韩 唐 冯 于 董 萧 程 曹 袁 邓 许 傅 沈 曾 彭 吕 苏 卢 蒋 蔡"
    " 贾 丁 魏 薛 叶 阎 余 潘 杜 戴 夏 钟 汪 田 任 姜 范 方 石 姚 谭 廖 邹 熊 金 陆 郝 孔 白 崔 康 毛 邱 秦 江 史 顾 侯 邵 孟 龙 万 段 雷"
    " 钱 汤 尹 黎 易 常 武 乔 贺 赖 龚 文 庞 樊 兰 殷 施 陶 洪 翟 安 颜 倪 严 牛 温 芦 季 俞 章 鲁 葛 伍 韦 申 尤 毕 聂 焦 向 柳 邢 路 岳"
    " 欧阳 司马 上官 诸葛 皇甫 慕容 令狐 尉迟 仝 逄 亓 邸 郗 綦 啜 乜"
).split()
ZH_GIVEN = (
    "伟 芳 娜 敏 静 丽 强 磊 洋 勇 艳 杰 娟 涛 明 超 霞 平 刚 桂英 秀兰 志强 建国 建华 文杰 子涵 欣怡 梓萱 浩然 宇航 雨桐 思远 佳怡 俊杰"
    " 晓东 晓燕 海燕 春梅 国庆 立新 永强 红梅 玉兰 婷婷 丹丹 雪梅 志远 天佑 沐宸 若曦 奕辰 语嫣 嘉懿 煜城 懿轩 烨伟 苑博 瑾瑜 皓轩 擎苍"
    " 靖琪 诗涵 可馨 一诺 昊天 博文 振宇 国栋 德胜 金凤 素珍 翠花 福生 长贵 小龙 小红 佩珊 淑华 惠玲 家豪 志明 春娇 怡君 雅婷 冠宇"
).split()
PINYIN = (
    "wang li zhang liu chen yang zhao huang zhou wu xiaoming xiaohong jianguo wenjie haoran yuhang siyuan junjie tingting meili guodong zhiqiang"
).split()
EN_GIVEN = (
    "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas Sarah Carlos"
    " Maria Ahmed Fatima Priya Arjun Wei Mei Kenji Yuki Olga Ivan Chidi Ngozi Liam Olivia Noah Emma Aoife Siobhan Lars Ingrid José Zoë Chloé"
    " Keisha DeShawn Mateo Camila Grace Hannah Ethan Mason Ravi Anjali Omar Layla"
).split()
EN_FAMILY = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Wilson Anderson Thomas Taylor Moore Jackson Lee"
    " Perez Thompson White Harris Clark Lewis Robinson Walker Young Allen Nguyen Patel Kim Chen Wang Okafor Adeyemi Kowalski Petrov Novak"
    " Fischer Schneider Larsen Haddad Rahman Singh Gupta Tanaka Suzuki Dubois Moreau Rossi Costa Oliveira MacDonald O'Brien Fitzgerald"
).split()
_ZH_CITIES = (
    "北京市 上海市 天津市 重庆市 广东省广州市 广东省深圳市 浙江省杭州市 浙江省宁波市 江苏省南京市 江苏省苏州市 四川省成都市 湖北省武汉市 湖南省长沙市"
    " 陕西省西安市 山东省青岛市 山东省济南市 福建省厦门市 河南省郑州市 辽宁省沈阳市 黑龙江省哈尔滨市 云南省昆明市 安徽省合肥市 河北省石家庄市"
).split()
_ZH_DISTRICTS = (
    "朝阳区 海淀区 浦东新区 徐汇区 天河区 南山区 福田区 西湖区 余杭区 鼓楼区 玄武区 武侯区 锦江区 洪山区 岳麓区 雁塔区 市南区 历下区 思明区 金水区 和平区 盘龙区"
).split()
_ZH_ROADS = (
    "建国路 中山北路 人民南路 解放大道 学院路 科技园南街 文三路 长江西路 天府大道 珞喻路 芙蓉中路 二环南路 香港中路 湖滨南路 花园路 青年大街 北京路 幸福里弄 光明巷 延安东路 张杨路 深南大道"
).split()
_ZH_ESTATES = (
    "阳光花园 翠湖小区 万科城 金色家园 世纪公寓 绿城百合 锦绣江南 龙湖天街 保利香槟 学府苑 和谐家园 东方曼哈顿".split()
)
_ZH_VILLAGES = "河北省保定市清苑县李庄镇王家村 四川省绵阳市三台县芦溪镇石桥村 湖南省邵阳市隆回县桃洪镇大田村 山东省临沂市沂水县沙沟镇下马庄村".split()
_EN_STREETS = (
    "Oak Maple Cedar Pine Elm Washington Lake Hill Walnut Park Main Church Sunset Old Mill Highland Chestnut Franklin River Jefferson Meadow"
    " Spring Prospect Willow Kings Queens Station Victoria Albert"
).split()
_EN_KINDS = (
    "Street St Avenue Ave Road Rd Lane Ln Drive Court Boulevard Blvd Way Place Terrace Close Crescent Parkway".split()
)
_EN_CITIES = (
    "Springfield, IL 62704|Portland, OR 97205|Austin, TX 78701|Brooklyn, NY 11215|Columbus, OH 43215|Denver, CO 80203|London SW1A 2AA"
    "|Leeds LS1 4AP|Bristol BS8 1TH|Toronto, ON M5V 2T6|Sydney NSW 2000|Cambridge, MA 02139"
).split("|")
_ZH_ORG = "华星 远洋 恒泰 金桥 德润 瑞丰 博睿 云图 中科 天成 嘉禾 宏远".split()
_ZH_TRADE = "科技 贸易 物流 医药 信息技术 建筑工程 餐饮管理 文化传媒 新能源".split()


def person_zh(rng: Random) -> str:
    """A Chinese name."""
    return rng.choice(ZH_FAMILY) + rng.choice(ZH_GIVEN)


def person_en(rng: Random) -> str:
    """A name as written in English, sometimes with an initial."""
    middle = f" {rng.choice('ABCDEFGHJKLMPRST')}." if rng.random() < 0.15 else ""
    return f"{rng.choice(EN_GIVEN)}{middle} {rng.choice(EN_FAMILY)}"


def address_zh(rng: Random) -> str:
    """A Chinese address down to the door, in town or in the country."""
    if rng.random() < 0.1:
        return f"{rng.choice(_ZH_VILLAGES)}{rng.randint(1, 20)}组{rng.randint(1, 200)}号"
    city, district, road = rng.choice(_ZH_CITIES), rng.choice(_ZH_DISTRICTS), rng.choice(_ZH_ROADS)
    building = rng.choice(
        (
            f"{rng.randint(1, 30)}栋{rng.randint(1, 4)}单元{rng.randint(1, 32)}0{rng.randint(1, 6)}室",
            f"{rng.randint(1, 30)}号楼{rng.randint(101, 2806)}",
            f"{rng.choice('ABC')}座{rng.randint(3, 28)}层",
            "",
        )
    )
    estate = rng.choice(("", rng.choice(_ZH_ESTATES)))
    start = rng.choice((city + district, city + district, city, district, ""))
    return f"{start}{road}{rng.randint(1, 1999)}号{estate}{building}"


def address_en(rng: Random) -> str:
    """An address as written in English, with or without the town."""
    street = f"{rng.randint(1, 9999)} {rng.choice(_EN_STREETS)} {rng.choice(_EN_KINDS)}"
    unit = rng.choice(
        (
            "",
            "",
            f", Apt {rng.randint(1, 40)}{rng.choice('ABCD')}",
            f", Unit {rng.randint(1, 90)}",
            f" #{rng.randint(1, 400)}",
        )
    )
    town = f", {rng.choice(_EN_CITIES)}" if rng.random() < 0.7 else ""
    return street + unit + town


def org_zh(rng: Random) -> str:
    """A company's name in Chinese."""
    return (
        rng.choice(("上海", "深圳", "杭州", "北京", "成都", ""))
        + rng.choice(_ZH_ORG)
        + rng.choice(_ZH_TRADE)
        + rng.choice(("有限公司", "股份有限公司"))
    )


def org_en(rng: Random) -> str:
    """A company's name in English."""
    return f"{rng.choice(EN_FAMILY)} {rng.choice(('Logistics', 'Health', 'Capital', 'Foods', 'Systems'))} {rng.choice(('Inc.', 'Ltd', 'LLC', 'GmbH'))}"
