from xml.etree import ElementTree as ET

import numpy as np

from export.finetune.picture import draw

SVG = "{http://www.w3.org/2000/svg}"


def test_each_cell_has_its_count_and_its_shade() -> None:
    root = ET.fromstring(draw("标题 <b>", ["诗&", "话"], ["诗&", "话"], np.array([[3, 1], [0, 4]])))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts[0] == "标题 <b>"
    assert sorted(text for text in texts[1:] if text) == ["1", "3", "4", "诗&", "诗&", "话", "话"]
    shades = [float(element.get("fill-opacity", "-1")) for element in root.iter(f"{SVG}rect")]
    assert shades[1:] == [0.75, 0.25, 0.0, 1.0]


def test_a_large_table_has_small_cells_without_numbers() -> None:
    names = [f"label {number}" for number in range(60)]
    root = ET.fromstring(draw("title", names, names, np.ones((60, 60), np.int64)))
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 60 * 60
    assert len(list(root.iter(f"{SVG}text"))) == 1 + 2 * 60
    assert float(root.get("width", "0")) < 1000
