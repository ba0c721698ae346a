"""Names that everybody knows: of history, science, letters and legend, whom no request can harm. Pure.

The models find them like any others, and texts that teach, compare or invent are full of them. Nobody alive is here. A
customer who happens to be called like one of them is missed by the models, and still found where a cue announces him.
"""

from typing import Final

_HAN = """
黄帝 炎帝 大禹 周文王 周武王 姜子牙 管仲 齐桓公 晋文公 勾践 范蠡 西施 商鞅 苏秦 白起 廉颇 蔺相如 吕不韦
秦始皇 嬴政 荆轲 项羽 刘邦 韩信 萧何 吕后 汉武帝 刘彻 卫青 霍去病 苏武 王昭君 王莽 刘秀 班超 董卓 吕布 貂蝉
曹操 曹丕 曹植 刘备 关羽 张飞 诸葛亮 孔明 司马懿 孙权 周瑜 鲁肃 陆逊 黄盖 姜维 夏侯惇 许褚 典韦 隋文帝
隋炀帝 杨广 李渊 李世民 唐太宗 长孙皇后 魏征 房玄龄 武则天 上官婉儿 狄仁杰 唐玄宗 李隆基 杨贵妃 杨玉环
安禄山 郭子仪 赵匡胤 宋太祖 宋徽宗 包拯 寇准 杨业 岳飞 秦桧 韩世忠 文天祥 成吉思汗 铁木真 忽必烈 朱元璋 朱棣
郑和 于谦 戚继光 张居正 海瑞 袁崇焕 崇祯 李自成 吴三桂 陈圆圆 郑成功 努尔哈赤 皇太极 多尔衮 顺治 康熙 雍正
乾隆 和珅 嘉庆 道光 林则徐 慈禧 慈禧太后 光绪 曾国藩 李鸿章 左宗棠 张之洞 康有为 梁启超 谭嗣同 溥仪 孙中山
秋瑾 袁世凯 蔡锷 老子 孔子 孟子 庄子 墨子 荀子 韩非子 孙子 孙武 孙膑 鬼谷子 屈原 贾谊 司马相如 卓文君 司马迁
董仲舒 班固 班昭 蔡文姬 蔡伦 张衡 华佗 张仲景 祖冲之 王羲之 王献之 顾恺之 陶渊明 谢灵运 郦道元 孙思邈 玄奘
唐僧 骆宾王 陈子昂 贺知章 王之涣 孟浩然 王昌龄 王维 李白 杜甫 韩愈 柳宗元 刘禹锡 白居易 元稹 杜牧 李商隐
温庭筠 李煜 颜真卿 柳公权 怀素 吴道子 范仲淹 晏殊 欧阳修 王安石 司马光 苏洵 苏轼 苏东坡 苏辙 黄庭坚 柳永
周邦彦 李清照 陆游 辛弃疾 朱熹 程颢 程颐 沈括 毕昇 米芾 张择端 关汉卿 马致远 王实甫 赵孟頫 郭守敬 黄道婆
施耐庵 罗贯中 吴承恩 汤显祖 王阳明 王守仁 唐伯虎 唐寅 徐渭 李时珍 徐光启 宋应星 徐霞客 顾炎武 黄宗羲 王夫之
蒲松龄 吴敬梓 曹雪芹 高鹗 纪晓岚 纳兰性德 郑板桥 龚自珍 严复 詹天佑 王国维 章太炎 蔡元培 陈独秀 李大钊 胡适
鲁迅 周树人 徐志摩 林徽因 郁达夫 朱自清 闻一多 老舍 茅盾 巴金 冰心 沈从文 张爱玲 萧红 钱钟书 钱锺书 曹禺
丁玲 艾青 齐白石 徐悲鸿 张大千 梅兰芳 冼星海 聂耳 金庸 古龙 三毛 陶行知 钱学森 邓稼先 华罗庚 陈景润 竺可桢
李四光 盘古 女娲 伏羲 神农 后羿 嫦娥 精卫 哪吒 二郎神 杨戬 孙悟空 猪八戒 沙僧 沙和尚 白骨精 牛魔王 铁扇公主
玉皇大帝 太上老君 白素贞 许仙 法海 梁山伯 祝英台 花木兰 孟姜女 宋江 武松 林冲 鲁智深 李逵 潘金莲 西门庆
武大郎 贾宝玉 林黛玉 薛宝钗 王熙凤 刘姥姥 贾母 贾政 史湘云 晴雯 袭人 孔乙己 阿Q 祥林嫂 闰土 骆驼祥子 郭靖
黄蓉 小龙女 张无忌 令狐冲 韦小宝 乔峰 段誉 荷马 苏格拉底 柏拉图 亚里士多德 毕达哥拉斯 欧几里得 阿基米德 凯撒
恺撒 克娄巴特拉 奥古斯都 耶稣 释迦牟尼 穆罕默德 但丁 达芬奇 达·芬奇 米开朗基罗 拉斐尔 哥伦布 麦哲伦 马可波罗
马可·波罗 哥白尼 伽利略 开普勒 笛卡尔 培根 莎士比亚 牛顿 莱布尼茨 帕斯卡 伏尔泰 卢梭 孟德斯鸠 亚当斯密
亚当·斯密 康德 黑格尔 尼采 叔本华 马克思 恩格斯 列宁 杰斐逊 林肯 罗斯福 丘吉尔 拿破仑 俾斯麦 甘地 曼德拉
马丁·路德·金 巴赫 莫扎特 贝多芬 舒伯特 肖邦 李斯特 柴可夫斯基 瓦格纳 梵高 莫奈 毕加索 罗丹 歌德 席勒 雨果
巴尔扎克 大仲马 福楼拜 莫泊桑 普希金 果戈里 托尔斯泰 契诃夫 高尔基 陀思妥耶夫斯基 狄更斯 简·奥斯汀 马克·吐温
海明威 卡夫卡 泰戈尔 安徒生 乔治·奥威尔 福尔摩斯 哈利波特 哈利·波特 哈姆雷特 罗密欧 朱丽叶 堂吉诃德 法拉第
麦克斯韦 达尔文 孟德尔 巴斯德 诺贝尔 门捷列夫 爱迪生 居里夫人 居里 爱因斯坦 普朗克 玻尔 薛定谔 海森堡 费曼
霍金 图灵 冯诺依曼 冯·诺依曼 香农 高斯 欧拉 黎曼 费马 弗洛伊德 凯恩斯 弗莱明 莱特兄弟 南丁格尔
"""
_LATIN = """
Socrates, Plato, Aristotle, Pythagoras, Euclid, Archimedes, Hippocrates, Herodotus, Alexander the Great,
Julius Caesar, Cleopatra, Nero, Marcus Aurelius, Cicero, Jesus Christ, Buddha, Confucius, Lao Tzu, Sun Tzu,
Genghis Khan, Kublai Khan, Marco Polo, Dante Alighieri, Joan of Arc, Leonardo da Vinci, Michelangelo,
Christopher Columbus, Vasco da Gama, Ferdinand Magellan, Henry VIII, Anne Boleyn, Elizabeth I,
Nicolaus Copernicus, Galileo Galilei, Johannes Kepler, Tycho Brahe, Rene Descartes, René Descartes,
Blaise Pascal, William Shakespeare, Shakespeare, Miguel de Cervantes, Isaac Newton, Gottfried Leibniz,
David Hume, Adam Smith, Immanuel Kant, Georg Hegel, Friedrich Nietzsche, Arthur Schopenhauer, Karl Marx,
Friedrich Engels, John Stuart Mill, Jean-Jacques Rousseau, Voltaire, Benjamin Franklin, George Washington,
Thomas Jefferson, Abraham Lincoln, Ulysses S. Grant, Frederick Douglass, Harriet Tubman, Theodore Roosevelt,
Franklin D. Roosevelt, Franklin Roosevelt, Eleanor Roosevelt, Winston Churchill, John F. Kennedy,
Martin Luther King, Martin Luther King Jr., Rosa Parks, Nelson Mandela, Mahatma Gandhi, Napoleon Bonaparte,
Napoleon, Otto von Bismarck, Queen Victoria, Marie Antoinette, Louis XIV, Catherine the Great,
Peter the Great, Vladimir Lenin, Joseph Stalin, Johann Sebastian Bach, Wolfgang Amadeus Mozart,
Ludwig van Beethoven, Franz Schubert, Frederic Chopin, Frédéric Chopin, Pyotr Tchaikovsky, Claude Monet,
Vincent van Gogh, Pablo Picasso, Salvador Dali, Frida Kahlo, Auguste Rodin, Johann Wolfgang von Goethe,
Victor Hugo, Alexandre Dumas, Leo Tolstoy, Fyodor Dostoevsky, Anton Chekhov, Charles Dickens, Jane Austen,
Charlotte Brontë, Charlotte Bronte, Emily Brontë, Emily Bronte, Percy Shelley, Lord Byron, John Keats,
William Wordsworth, Edgar Allan Poe, Mark Twain, Walt Whitman, Emily Dickinson, Henry David Thoreau,
Ralph Waldo Emerson, Herman Melville, Oscar Wilde, Lewis Carroll, Arthur Conan Doyle, Agatha Christie,
Virginia Woolf, Franz Kafka, George Orwell, Ernest Hemingway, F. Scott Fitzgerald, John Steinbeck,
William Faulkner, Sylvia Plath, Anne Frank, Helen Keller, Amelia Earhart, Florence Nightingale,
Susan B. Anthony, Charles Darwin, Gregor Mendel, Louis Pasteur, Michael Faraday, James Clerk Maxwell,
Thomas Edison, Nikola Tesla, Alexander Graham Bell, Wilbur Wright, Orville Wright, Alfred Nobel, Marie Curie,
Pierre Curie, Albert Einstein, Max Planck, Niels Bohr, Werner Heisenberg, Erwin Schrödinger, Richard Feynman,
Enrico Fermi, Robert Oppenheimer, Stephen Hawking, Carl Sagan, Edwin Hubble, Ada Lovelace, Charles Babbage,
Alan Turing, Grace Hopper, John von Neumann, Claude Shannon, Edsger Dijkstra, Carl Friedrich Gauss,
Leonhard Euler, Bernhard Riemann, Pierre de Fermat, Srinivasa Ramanujan, Rosalind Franklin, Sigmund Freud,
John Maynard Keynes, Maya Angelou, Louis Armstrong, Elvis Presley, John Lennon, Marilyn Monroe,
Charlie Chaplin, Sherlock Holmes, Harry Potter, Hermione Granger, Ron Weasley, Albus Dumbledore,
Elizabeth Bennet, Hamlet, Macbeth, Othello, Robin Hood, King Arthur, Peter Pan, Don Quixote,
Huckleberry Finn, Tom Sawyer, Jay Gatsby, Atticus Finch, Frodo Baggins, Bilbo Baggins, Gandalf,
Luke Skywalker, Darth Vader, Santa Claus, King Kong, Zeus, Hercules, Achilles, Odysseus, Odin, Loki
"""

FAMOUS: Final = frozenset((*_HAN.split(), *(name.strip() for name in _LATIN.replace("\n", " ").split(","))))
"""As they are usually written in Chinese, and in English."""
