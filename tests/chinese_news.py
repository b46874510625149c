"""Short news in Chinese: no spaces, topics told by their words, some rows written off from others by a character."""

from __future__ import annotations

import csv
import random
from pathlib import Path

WORDS = {
    "体育": ["球队", "比赛", "进球", "教练", "冠军", "联赛", "射门", "主场"],
    "财经": ["股票", "银行", "利率", "市场", "投资", "基金", "贸易", "涨幅"],
    "科技": ["芯片", "软件", "手机", "网络", "卫星", "算法", "数据", "机器"],
}
LABELS = list(WORDS)
COMMON = [
    "昨天",
    "今年",
    "据报道",
    "记者",
    "表示",
    "我们",
    "已经",
    "可能",
    "第一次",
    "许多人",
    "在北京",
    "关于",
    "同时",
]
PLACES = ["上海", "广州"]
COLUMNS = {"id": "编号", "text": "正文", "label": "类别", "place": "地区"}
COPIES = 30


def sentence(draw: random.Random, label: str) -> str:
    """24 words, a third of them the topic's."""
    words = [draw.choice(WORDS[label] if draw.random() < 0.35 else COMMON) for _ in range(24)]
    return f"{'，'.join(''.join(words[at : at + 4]) for at in range(0, 24, 4))}。"


def write_news(path: Path, count: int = 450, seed: int = 0) -> None:
    """A CSV file; the last COPIES rows are those at its start with another character at the end."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        rows.append([f"新闻{number:04d}", sentence(draw, label), label, PLACES[number % 2]])
    rows += [[f"转载{number:04d}", f"{text[:-1]}！", *rest] for number, (_, text, *rest) in enumerate(rows[:COPIES])]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([list(COLUMNS.values()), *rows])


def write_encoder(path: Path) -> Path:
    """A folder with a BERT of 2 layers and random weights, each character of the news a token of its own."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    characters = sorted(set("".join([*COMMON, *(word for some in WORDS.values() for word in some), "，。！"])))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    path.mkdir(parents=True)
    (path / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}).save_pretrained(path)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(tokens),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=96,
        )
    ).save_pretrained(path)
    return path
