from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np


def test_a_drawing_has_white_ground_its_curves_and_the_same_bytes_each_time(
    script: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    curves = script("curves")
    panel = curves.Panel(
        "calm", np.arange(3.0), {"greedy": np.ones((2, 3)), "ucb": np.zeros((1, 3))}, {"budget": 2.0}
    )
    for name in ("one.svg", "two.svg"):
        curves.draw(tmp_path / name, [panel, panel], "slates", "clicks lost")
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert text == (tmp_path / "two.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    ground = next(part for part in root if part.tag.endswith("rect"))
    assert [ground.get("width"), ground.get("height")] == root.get("viewBox", "").split()[2:]
    for words in ("greedy", "ucb", "budget", "calm", "slates", "clicks lost"):
        assert f">{words}<" in text
