"""Traditional characters and the simplified ones that rules are written in: those of labels, surnames and places.

Only characters that simplified texts do not have, so that these never call for a view. Pure.
"""

from types import MappingProxyType

TRADITIONAL = (
    "證號碼電話機護聯繫係銀賬帳戶開稅統會醫療診斷確複寫時間請幫個這來給說讓對發樣應當為與們認產單書報費額轉財務總經"
    "貸資賠際國東車現實處辦員麼過還從關動問題網絡傳達質線級業營執門聲義記錄頁邊險區別師沒媽孫遞訂購買賣價錢獎績潤預"
    "約議團隊驗據歸檔慶紀詞訴訟簽籤幣鏈鑰臉馬鳥龍郵歷曆編駕駛職臺灣體陸稱誌標準計劃劑藥術腫壓懷歲親屬緊絕嚴僅內滯納"
    "徵評匯餘獨學異補償婦兒離繼權齡參軍黨養張劉陳楊黃趙吳鄭謝許韓馮鄧蕭蔣葉蘇呂盧鍾譚賈鄒範賀顧龔萬湯莊聶魯蘭畢華饒"
    "連衛齊喬顏溫鄉鎮縣樓棟層園廈長壽帶掛視聽類將變燈鄰瀋閩贛遼滬寧瓊貴雲設備訊賓館廳廠倉貨運輸繳狀態癥瘡腦臟嬰監獄"
    "審調"
)
_SIMPLIFIED = (
    "证号码电话机护联系系银账帐户开税统会医疗诊断确复写时间请帮个这来给说让对发样应当为与们认产单书报费额转财务总经"
    "贷资赔际国东车现实处办员么过还从关动问题网络传达质线级业营执门声义记录页边险区别师没妈孙递订购买卖价钱奖绩润预"
    "约议团队验据归档庆纪词诉讼签签币链钥脸马鸟龙邮历历编驾驶职台湾体陆称志标准计划剂药术肿压怀岁亲属紧绝严仅内滞纳"
    "征评汇余独学异补偿妇儿离继权龄参军党养张刘陈杨黄赵吴郑谢许韩冯邓萧蒋叶苏吕卢钟谭贾邹范贺顾龚万汤庄聂鲁兰毕华饶"
    "连卫齐乔颜温乡镇县楼栋层园厦长寿带挂视听类将变灯邻沈闽赣辽沪宁琼贵云设备讯宾馆厅厂仓货运输缴状态症疮脑脏婴监狱"
    "审调"
)

TO_SIMPLIFIED = MappingProxyType(dict(zip(TRADITIONAL, _SIMPLIFIED, strict=True)))
"""From a traditional character to the simplified one."""
