"""Draw the lessons' drawings, in English (<name>.svg) and in Chinese (<name>.zh.svg).

    python scripts/draw_lessons.py

A drawing has the colours of the page's text, and four more that stand out on light and on
dark ground. The plots of the lessons are made by the lessons.
"""

from itertools import pairwise
from pathlib import Path

from lesson_drawing import BLUE, GREEN, INK, ORANGE, VIOLET, Drawing, layer

FOLDER = Path(__file__).parents[1] / "docs" / "lessons" / "figures"


def network_2_3_1(lang: str) -> Drawing:
    """Draw the network of the first lessons."""
    drawing = Drawing(620, 300, lang)
    inputs, hidden, outputs = layer(2, 250, 90), layer(3, 250, 80), [125.0]
    for (x0, left), (x1, right) in (
        ((120, inputs), (310, hidden)),
        ((310, hidden), (500, outputs)),
    ):
        for a in left:
            for b in right:
                drawing.line((x0 + 24, a), (x1 - 25, b), arrow=True, width=1.2, opacity=0.6)
    for name, y in zip(("X0", "X1"), inputs, strict=True):
        drawing.circle(120, y, 23, BLUE)
        drawing.text(120, y + 5, name)
    for i, y in enumerate(hidden):
        drawing.circle(310, y, 23, GREEN)
        drawing.text(310, y + 5, f"h{i + 1}")
    drawing.circle(500, 125, 23, ORANGE)
    drawing.text(500, 130, "o")
    drawing.text(215, 22, "W₁ (2 × 3)", size=13)
    drawing.text(405, 22, "W₂ (3 × 1)", size=13)
    drawing.line((526, 125), (585, 125), arrow=True)
    for x, words in (
        (120, ("inputs", "输入层")),
        (310, ("hidden units: σ(sum)", "隐藏层：σ(和)")),
        (500, ("output: σ(sum)", "输出层：σ(和)")),
    ):
        drawing.text(x, 275, words, bold=True)
    return drawing


def chain_rule(lang: str) -> Drawing:
    """Draw the values that flow forward and the derivatives that flow backward."""
    drawing = Drawing(760, 270, lang)
    stations = [
        ("X", "", BLUE),
        ("X W₁", "W₁", GREEN),
        ("H = σ", "", GREEN),
        ("H W₂", "W₂", ORANGE),
        ("O = σ", "", ORANGE),
        ("E = Σ(O−Y)²", "Y", VIOLET),
    ]
    backward = ["", "× W₂ᵀ", "× O(1−O)", "2(O−Y)"]
    xs = [20, 120, 250, 380, 510, 640]
    for x, (name, enters, colour) in zip(xs, stations, strict=True):
        drawing.box(x, 95, (100 if x > 20 else 70, 50), colour)
        drawing.text(x + (50 if x > 20 else 35), 125, name, size=13)
        if enters:
            drawing.text(x + 50, 42, enters, bold=True)
            drawing.line((x + 50, 50), (x + 50, 92), arrow=True)
    for x, right in pairwise(xs):
        drawing.line((x + (100 if x > 20 else 70), 120), (right - 2, 120), arrow=True)
    for x, words in zip((235, 365, 495, 625), ("× H(1−H)", *backward[1:]), strict=True):
        drawing.line((x + 42, 175), (x - 42, 175), colour=VIOLET, arrow=True, width=2)
        drawing.text(x, 196, words, size=13, colour=VIOLET)
    for x, delta, words in (
        (170, "δ_H", "∂E/∂W₁ = Xᵀ δ_H"),
        (430, "δ_O", "∂E/∂W₂ = Hᵀ δ_O"),
    ):
        drawing.text(x, 179, delta, bold=True, colour=VIOLET)
        drawing.line((x, 188), (x, 222), colour=VIOLET, arrow=True, dashed=True)
        drawing.text(x, 243, words, bold=True, colour=VIOLET)
    drawing.text(20, 20, ("forward: values", "前向：数值"), anchor="start", bold=True)
    drawing.text(
        740,
        262,
        ("backward: derivatives", "反向：导数"),
        anchor="end",
        bold=True,
        colour=VIOLET,
    )
    return drawing


def computation_graph(lang: str) -> Drawing:
    """Draw the operations of the loss as a graph."""
    drawing = Drawing(760, 220, lang)
    operations = [
        (60, "matmul"),
        (200, "sigmoid"),
        (340, "matmul"),
        (480, "sigmoid"),
        (620, "mean (…)²"),
    ]
    for x, name in operations:
        drawing.box(x, 90, (92, 42), GREEN)
        drawing.text(x + 46, 116, name, size=13, code=True)
    for x, _ in operations[:-1]:
        drawing.line((x + 92, 104), (x + 138, 104), arrow=True)
        drawing.line((x + 138, 122), (x + 94, 122), colour=VIOLET, arrow=True)
    for x, name in ((60, "hidden_kernel"), (340, "output_kernel")):
        drawing.box(x - 14, 20, (120, 32), ORANGE)
        drawing.text(x + 46, 41, name, size=12, code=True)
        drawing.line((x + 36, 52), (x + 36, 88), arrow=True)
        drawing.line((x + 56, 88), (x + 56, 54), colour=VIOLET, arrow=True)
    drawing.text(666, 41, "targets", size=12, code=True)
    drawing.line((666, 50), (666, 88), arrow=True)
    drawing.text(2, 84, "features", size=12, code=True, anchor="start")
    drawing.line((10, 111), (58, 111), arrow=True)
    drawing.line((712, 111), (752, 111), arrow=True)
    drawing.text(732, 100, ("loss", "损失"), size=12)
    for x, colour, words in (
        (70, INK, ("forward: tensors", "前向：张量")),
        (260, VIOLET, ("backward: derivatives", "反向：导数")),
    ):
        drawing.line((x, 180), (x + 34, 180), colour=colour, arrow=True)
        drawing.text(x + 42, 185, words, anchor="start", colour=colour)
    drawing.box(490, 168, (24, 22), GREEN)
    drawing.text(522, 185, ("operation", "运算"), anchor="start")
    drawing.box(620, 168, (24, 22), ORANGE)
    drawing.text(652, 185, ("Variable", "变量"), anchor="start")
    return drawing


def network_64_30_10(lang: str) -> Drawing:
    """Draw the network of the digits; dots stand for units that are left out."""
    drawing = Drawing(680, 360, lang)
    columns = [
        (110, 6, 64, BLUE, ("64 pixels", "64 个像素"), "p"),
        (330, 5, 30, GREEN, ("30 hidden units: ReLU", "30 个隐藏单元：ReLU"), "h"),
        (550, 4, 10, ORANGE, ("10 logits", "10 个 logits"), ""),
    ]
    places = []
    for x, shown, count, colour, words, letter in columns:
        heights = layer(shown + 1, 310, 46)
        places.append((x, [y for i, y in enumerate(heights) if i != shown - 1]))
        drawing.text(x, heights[shown - 1] + 8, "⋮", size=22)
        numbers = [*range(shown - 1), count - 1]
        for number, y in zip(numbers, places[-1][1], strict=True):
            drawing.circle(x, y, 16, colour)
            drawing.text(x, y + 4, f"{letter}{number}", size=11)
        drawing.text(x, 345, words, bold=True)
    behind = Drawing(0, 0, lang)
    for (x0, left), (x1, right) in pairwise(places):
        for a in left:
            for b in right:
                behind.line((x0 + 17, a), (x1 - 17, b), width=0.7, opacity=0.45)
    drawing.shapes = behind.shapes + drawing.shapes
    drawing.text(220, 16, "W₁ (64 × 30), b₁ (30)", size=12)
    drawing.text(440, 16, "W₂ (30 × 10), b₂ (10)", size=12)
    return drawing


def epoch(lang: str) -> Drawing:
    """Draw an epoch of ten rows that is shuffled and cut into three batches."""
    drawing = Drawing(700, 300, lang)
    order = [7, 2, 9, 4, 0, 5, 1, 8, 3, 6]
    colours = [BLUE] * 4 + [ORANGE] * 3 + [GREEN] * 3
    of_row = dict(zip(order, colours, strict=True))
    for i in range(10):
        drawing.box(150 + 52 * i, 22, (42, 36), INK, fill=0.05)
        drawing.text(171 + 52 * i, 45, str(i))
    gaps = [0] * 4 + [14] * 3 + [28] * 3
    for i, (row, gap) in enumerate(zip(order, gaps, strict=True)):
        x = 136 + 52 * i + gap
        drawing.line((171 + 52 * row, 60), (x + 21, 108), colour=of_row[row], opacity=0.55)
        drawing.box(x, 110, (42, 36), of_row[row], fill=0.25)
        drawing.text(x + 21, 133, str(row))
    for x, wide, number, colour in (
        (136, 198, 1, BLUE),
        (358, 146, 2, ORANGE),
        (528, 146, 3, GREEN),
    ):
        drawing.line((x, 156), (x, 164), (x + wide, 164), (x + wide, 156), colour=colour)
        drawing.line((x + wide / 2, 164), (x + wide / 2, 194), colour=colour, arrow=True)
        drawing.box(x + wide / 2 - 65, 197, (130, 34), colour, fill=0.1)
        drawing.text(
            x + wide / 2, 219, (f"step {number}: update", f"第 {number} 步：更新"), size=13
        )
    for y, words in (
        (45, ("all rows", "所有行")),
        (133, ("shuffled, cut", "打乱，切开")),
        (219, ("iterations", "迭代")),
    ):
        drawing.text(122, y, words, anchor="end", bold=True)
    drawing.line((136, 246), (136, 254), (674, 254), (674, 246))
    drawing.text(
        405,
        280,
        (
            "one epoch = every row once = 3 batches = 3 iterations",
            "一个 epoch = 每行恰好一次 = 3 个批次 = 3 次迭代",
        ),
        bold=True,
    )
    return drawing


def drivers(lang: str) -> Drawing:
    """Draw what Python does for each operation, each step, each training."""
    drawing = Drawing(720, 310, lang)
    rows = [
        ("eager", ("Python calls each operation", "Python 逐个调用运算"), 12),
        ("graph", ("Python calls each step", "Python 逐个调用训练步"), 3),
        (
            "loop",
            (
                "Python calls once: the loop is in the graph",
                "Python 只调用一次：循环在图里",
            ),
            1,
        ),
    ]
    for i, (name, words, calls) in enumerate(rows):
        y = 36 + 84 * i
        drawing.text(20, y + 16, name, anchor="start", code=True, bold=True)
        drawing.text(120, y - 12, words, anchor="start", size=13)
        for k in range(12):
            drawing.box(122 + 48 * k, y + 14, (36, 24), GREEN)
        for k in range(calls):
            x = 122 + 48 * k * (12 // calls)
            drawing.line(
                (x + 6, y - 4), (x + 6, y + 12), colour=ORANGE, arrow=True, width=2
            )
        for k in range(1, 3):
            drawing.line(
                (116 + 192 * k, y + 4), (116 + 192 * k, y + 46), dashed=True, opacity=0.5
            )
    drawing.line((130, 278), (130, 294), colour=ORANGE, arrow=True, width=2)
    drawing.text(
        142, 291, ("a call from Python", "一次 Python 调用"), anchor="start", size=13
    )
    drawing.box(330, 277, (24, 18), GREEN)
    drawing.text(362, 291, ("an operation", "一个运算"), anchor="start", size=13)
    drawing.line((520, 274), (520, 298), dashed=True, opacity=0.5)
    drawing.text(530, 291, ("next training step", "下一个训练步"), anchor="start", size=13)
    return drawing


def split(lang: str) -> Drawing:
    """Draw rows for learning, for choosing and for the last word."""
    drawing = Drawing(700, 150, lang)
    parts = [
        (
            20,
            400,
            BLUE,
            ("training rows", "训练集"),
            ("the weights learn from them", "权重从中学习"),
        ),
        (
            428,
            120,
            ORANGE,
            ("validation rows", "验证集"),
            ("you choose by them", "用来做选择"),
        ),
        (556, 120, GREEN, ("test rows", "测试集"), ("asked once", "只用一次")),
    ]
    for x, wide, colour, name, use in parts:
        drawing.box(x, 24, (wide, 52), colour, fill=0.2)
        drawing.text(x + wide / 2, 55, name, size=13, bold=True)
        drawing.text(x + wide / 2, 104, use, size=13)
    return drawing


def dropout(lang: str) -> Drawing:
    """Draw a hidden layer of which some units are off for one step."""
    drawing = Drawing(660, 270, lang)
    for x0, off, words in (
        (30, (1, 4), ("one step", "某一步")),
        (250, (0, 2, 3), ("the next step", "下一步")),
        (470, (), ("prediction: all units", "预测：全部单元")),
    ):
        inputs, hidden = layer(4, 230, 50), layer(5, 230, 44)
        for i, b in enumerate(hidden):
            for a in inputs if i not in off else ():
                drawing.line((x0 + 15, a), (x0 + 79, b), width=0.8, opacity=0.5)
            if i not in off:
                drawing.line((x0 + 105, b), (x0 + 146, 115), width=0.8, opacity=0.5)
        for a in inputs:
            drawing.circle(x0, a, 12, BLUE)
        for i, b in enumerate(hidden):
            drawing.circle(
                x0 + 92, b, 12, INK if i in off else GREEN, fill=0.03 if i in off else 0.2
            )
            if i in off:
                drawing.line((x0 + 84, b - 8), (x0 + 100, b + 8))
                drawing.line((x0 + 84, b + 8), (x0 + 100, b - 8))
        drawing.circle(x0 + 158, 115, 12, ORANGE)
        drawing.text(x0 + 80, 256, words, bold=True, size=13)
    return drawing


def serving(lang: str) -> Drawing:
    """Draw the file between training and clients."""
    drawing = Drawing(720, 220, lang)
    drawing.box(20, 70, (150, 80), BLUE)
    drawing.text(95, 104, ("training", "训练"), bold=True)
    drawing.text(95, 128, "Python", size=13)
    drawing.line((172, 110), (258, 110), arrow=True, width=2)
    drawing.text(215, 98, "export", size=12, code=True)
    drawing.box(260, 40, (190, 140), ORANGE)
    drawing.text(355, 66, "SavedModel", bold=True)
    for i, words in enumerate(
        (
            ("raw columns in", "输入：原始列"),
            ("scaling", "缩放"),
            ("network", "网络"),
            ("class, probabilities out", "输出：类别、概率"),
        )
    ):
        drawing.text(355, 94 + 22 * i, words, size=13)
    for y, name in (
        (40, "kerasnn serve"),
        (110, "TensorFlow Serving"),
        (180, "C, C++, Java, Go"),
    ):
        drawing.line((452, 110), (538, y), arrow=True)
        drawing.box(540, y - 22, (160, 44), GREEN)
        drawing.text(620, y + 5, name, size=13)
    return drawing


DRAWINGS = {
    "network-2-3-1": network_2_3_1,
    "chain-rule": chain_rule,
    "computation-graph": computation_graph,
    "network-64-30-10": network_64_30_10,
    "epoch": epoch,
    "drivers": drivers,
    "split": split,
    "dropout": dropout,
    "serving": serving,
}


def files() -> dict[Path, str]:
    """Return the text of each drawing's file, in both languages."""
    return {
        FOLDER / f"{name}{ending}.svg": draw(lang).svg()
        for name, draw in DRAWINGS.items()
        for lang, ending in (("en", ""), ("zh", ".zh"))
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
