"""Ten well-known sentences with the character for their [MASK]."""

TEN_LINES = (
    ("床前明月光，疑是地[MASK]霜。", "上"),
    ("春眠不觉晓，处处闻啼[MASK]。", "鸟"),
    ("今天天气真[MASK]啊，适合出去玩。", "好"),
    ("他做事总是半[MASK]而废。", "途"),
    ("中国的首都是[MASK]京。", "北"),
    ("画龙点[MASK]", "睛"),
    ("守株待[MASK]", "兔"),
    ("他说话总是[MASK]里藏针，让人不舒服。", "绵"),
    ("红豆生南国，春来发几[MASK]？", "枝"),
    ("但愿人长[MASK]，千里共婵娟。", "久"),
)
