"""Make the small checkpoint in ``tiny/`` and the golden values that Hugging Face's own classes answer with.

    .venv-torch/bin/python -m tests.export.make_golden

The checkpoint is random but sharp, and a BertForPreTraining dump as the official bert-base-chinese is: it has a
pooler and a next-sentence head that the export leaves out. Tokenisation and every number in golden.json are
transformers'.
"""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertTokenizer

TINY = Path(__file__).parent / "tiny"
SENTENCES = (
    "床前明月光，疑是地[MASK]霜。",
    "[MASK]",
    "[MASK]明[MASK]",
    "iphone 15 的屏[MASK]很大",
    "他说：“你[MASK]！”",
    "春眠不觉晓，处处闻啼[MASK]。夜来风雨声，花落知多少。",
)
CHARACTERS = "床前明月光疑是地上霜春眠不觉晓处处闻啼鸟夜来风雨声花落知多少今天气真好啊适合出去玩他说你的很大，。！：“”"


def main() -> None:
    """Write the checkpoint and its golden values."""
    TINY.mkdir(exist_ok=True)
    latin = [*"abcdehinop0123456789", *(f"##{char}" for char in "abcdehinop0123456789")]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2028", *latin, *dict.fromkeys(CHARACTERS)]
    (TINY / "vocab.txt").write_bytes(("\n".join(vocabulary) + "\n").encode())
    (TINY / "tokenizer_config.json").write_text('{"do_lower_case": false, "model_max_length": 64}\n')
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    torch.manual_seed(20260101)
    model = BertForPreTraining(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)  # biases and layer norms must not be trivial
    model.save_pretrained(TINY)
    (TINY / "generation_config.json").unlink(missing_ok=True)

    reference = BertForMaskedLM.from_pretrained(TINY, attn_implementation="eager").eval()
    tokenizer = BertTokenizer.from_pretrained(TINY)
    golden = [_answer(reference, tokenizer, text) for text in SENTENCES]
    (TINY / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")


def _answer(model: BertForMaskedLM, tokenizer: BertTokenizer, text: str) -> dict[str, object]:
    ids = tokenizer(text)["input_ids"]
    masks = [position for position, token in enumerate(ids) if token == tokenizer.mask_token_id]
    with torch.inference_mode():
        out = model(torch.tensor([ids]), output_attentions=True, output_hidden_states=True)
    log_probabilities = out.logits[0].log_softmax(-1)
    hidden = out.hidden_states[-1][0]
    return {
        "text": text,
        "input_ids": ids,
        "mask_positions": masks,
        "log_probabilities": rounded(log_probabilities[masks]),
        "cls": rounded(hidden[0]),
        "mean": rounded(hidden[1:-1].mean(dim=0)),
        "attention": rounded(out.attentions[-1][0].mean(dim=0)[masks]),
    }


def rounded(tensor: torch.Tensor) -> object:
    """Return numbers with seven decimals."""
    return json.loads(json.dumps(tensor.double().tolist()), parse_float=lambda text: round(float(text), 7))


if __name__ == "__main__":
    main()
