"""Make a folder for each form of checkpoint that people have, and write down what transformers answers to it.

    .venv-torch/bin/python -m tests.export.make_checkpoints OUTPUT

Each folder is a small random BertForMaskedLM. ``answers.json`` has, for each folder that transformers reads, the token
ids of ``TEXTS`` and the log-probabilities at the first [MASK] of each.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, normalizers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    logging,
)

TINY = Path(__file__).parent / "tiny"

TEXTS = (
    "床前明月光，疑是地[MASK]霜。",
    "这件a卖[NUM]元，[MASK]贵了。",
    "[NUM] [NUM][num]a[NUM]b ［NUM］ [MASK]",
    "Hello NBA nba Cafe É 霜Éa [MASK]",
    "他去床前明月 和床前明月光 abc abcd Abc [MASK]",
    "[unused1]ab[unused1] [UNUSED1] [MASK]",
    "a  [MASK]  b[MASK] c",
)

Folder = Callable[[Path], object]


def edit_json(path: Path, **values: Any) -> None:
    """Change values of a JSON object."""
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps(content))


def settings(**values: Any) -> Folder:
    """Change tokenizer_config.json."""
    return lambda folder: edit_json(folder / "tokenizer_config.json", **values)


def config(**values: Any) -> Folder:
    """Change config.json."""
    return lambda folder: edit_json(folder / "config.json", **values)


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Folder:
    """Change model.safetensors."""

    def edit(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / "model.safetensors")

    return edit


def renamed(old: str, new: str) -> Folder:
    """Change the prefix of the tensors' names."""

    def edit(found: dict[str, torch.Tensor]) -> None:
        for name in [name for name in found if name.startswith(old)]:
            found[new + name.removeprefix(old)] = found.pop(name)

    return tensors(edit)


def stored_as(dtype: torch.dtype) -> Folder:
    """Store all tensors in another type."""

    def edit(found: dict[str, torch.Tensor]) -> None:
        found.update({name: tensor.to(dtype) for name, tensor in found.items()})

    return tensors(edit)


def both(*changes: Folder) -> Folder:
    """Make several changes."""

    def edit(folder: Path) -> None:
        for change in changes:
            change(folder)

    return edit


def saved_with(*added: AddedToken, special: bool = False, enlarge: bool = True, **options: Any) -> Folder:
    """Add tokens with transformers, which then saves model and tokenizer."""

    def edit(folder: Path) -> None:
        tokenizer = BertTokenizer.from_pretrained(folder, **options)
        if special:
            tokenizer.add_special_tokens({"additional_special_tokens": list(added)})
        else:
            tokenizer.add_tokens(list(added))
        model = BertForMaskedLM.from_pretrained(folder)
        if enlarge and len(tokenizer) > model.config.vocab_size:
            model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=8)
        (folder / "vocab.txt").unlink()
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)

    return edit


def vocabulary(change: Callable[[bytes], bytes]) -> Folder:
    """Change vocab.txt."""

    def edit(folder: Path) -> None:
        path = folder / "vocab.txt"
        path.write_bytes(change(path.read_bytes()))

    return edit


def with_tokenizer_json(change: Callable[[dict[str, Any]], object], **values: Any) -> Folder:
    """Write a changed tokenizer.json and change tokenizer_config.json."""
    names = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    if "tokenizer_class" in values:  # such a class has no special tokens of its own
        values |= {name: f"[{name[:3].upper()}]" for name in names} | {"mask_token": "[MASK]"}

    def edit(folder: Path) -> None:
        backend = BertTokenizer.from_pretrained(folder).backend_tokenizer
        content = json.loads(backend.to_str())
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content))
        edit_json(folder / "tokenizer_config.json", **values)

    return edit


def without(name: str) -> Folder:
    """Delete a file."""
    return lambda folder: (folder / name).unlink()


def sharded(folder: Path) -> None:
    """Save the weights as shards with an index."""
    model = BertForMaskedLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20kB")


def without_shard(folder: Path) -> None:
    """Delete the last shard."""
    sharded(folder)
    max(folder.glob("model-*.safetensors")).unlink()


def pickled(folder: Path) -> None:
    """Save the weights only as a pickle."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def classifier(folder: Path) -> None:
    """Save a classifier, which has no masked-language-model head."""
    BertForSequenceClassification.from_pretrained(folder).save_pretrained(folder)


def encoder(folder: Path) -> None:
    """Save only the encoder."""
    BertModel.from_pretrained(folder).save_pretrained(folder)


def untied(found: dict[str, torch.Tensor]) -> None:
    """Give the head other weights than the embeddings."""
    found["cls.predictions.decoder.weight"] = found["bert.embeddings.word_embeddings.weight"] + 1


def twin(name: str, original: str, *, keep: bool) -> Folder:
    """Store a tied tensor under both names or only the alias."""

    def edit(found: dict[str, torch.Tensor]) -> None:
        found[name] = found[original].clone() if keep else found.pop(original)

    return tensors(edit)


def enlarged(rows: int) -> Folder:
    """Add embedding rows without a token that would win every mask."""

    def edit(found: dict[str, torch.Tensor]) -> None:
        table, bias = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"
        found[table] = torch.cat([found[table], torch.zeros(rows, found[table].shape[1])])
        found[bias] = torch.cat([found[bias], torch.full((rows,), 3.0)])

    return both(tensors(edit), lambda folder: edit_json(folder / "config.json", vocab_size=SIZE + rows))


def float8(found: dict[str, torch.Tensor]) -> None:
    """Store one tensor in 8 bits."""
    name = "bert.encoder.layer.0.output.dense.weight"
    found[name] = found[name].to(torch.float8_e4m3fn)


def legacy_files(folder: Path) -> None:
    """Declare [NUM] and a word as transformers 3 did."""
    (folder / "added_tokens.json").write_text(json.dumps({"[NUM]": SIZE, "床前明月": SIZE + 1}))
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"additional_special_tokens": ["[NUM]"], "mask_token": {"content": "[MASK]", "lstrip": True}})
    )


def other_normalizer(content: dict[str, Any]) -> None:
    """Use another normalizer than BERT's."""
    sequence = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    content["normalizer"] = json.loads(sequence.__getstate__())


VOCABULARY = [*(TINY / "vocab.txt").read_text().split("\n")[:-1], "[unused1]", "[unused2]"]
SIZE = len(VOCABULARY)
NUM = AddedToken("[NUM]", special=True, normalized=False)
WORD = AddedToken("床前明月")
DECODER = {"5": {"content": "霜", "lstrip": True, "rstrip": True, "normalized": False, "special": False}}
NUM_DECODER = {str(SIZE): {"content": "[NUM]", "normalized": False, "special": True}}

FOLDERS: dict[str, Folder] = {
    "plain": lambda _: None,
    # Tokens beyond BERT's five.
    "extra_special_tokens": saved_with(NUM, special=True),
    "added_word": saved_with(WORD),
    "added_word_alone": saved_with(AddedToken("abc", single_word=True)),
    "added_word_in_capitals": saved_with(AddedToken("NBA"), AddedToken("É", normalized=False)),
    "added_word_with_spaces": saved_with(AddedToken("ab", lstrip=True, rstrip=True)),
    "unused_as_special": saved_with(AddedToken("[unused1]", special=True, normalized=False), special=True),
    "cased_with_word": saved_with(AddedToken("Abc"), do_lower_case=False),
    "additional_special_tokens": both(enlarged(8), settings(additional_special_tokens=["[NUM]"])),
    "added_tokens_decoder": both(enlarged(8), settings(added_tokens_decoder=NUM_DECODER)),
    "added_tokens_decoder_of_a_character": settings(added_tokens_decoder=DECODER),
    "token_of_its_own_name": both(enlarged(8), settings(num_token="[NUM]", bos_token="[BOS]")),
    "extra_special_tokens_by_name": both(enlarged(8), settings(extra_special_tokens={"num": "[NUM]"})),
    "added_tokens_json": both(enlarged(8), legacy_files),
    "added_tokens_of_tokenizer_json": both(
        enlarged(8),
        with_tokenizer_json(
            lambda content: content["added_tokens"].append({**DECODER["5"], "id": SIZE, "content": "[NUM]"})
        ),
    ),
    "mask_that_takes_spaces": settings(
        mask_token={"__type": "AddedToken", "content": "[MASK]", "lstrip": True, "normalized": False, "special": True}
    ),
    "added_token_without_a_row": settings(additional_special_tokens=["[NUM]"]),
    # Who decides how text is cut.
    "cased": settings(do_lower_case=False),
    "accents_kept": settings(strip_accents=False),
    "characters_joined": settings(tokenize_chinese_chars=False),
    "fast_class": settings(tokenizer_class="BertTokenizerFast"),
    "tokenizer_json_decides": with_tokenizer_json(
        lambda content: content["normalizer"].update(lowercase=False), tokenizer_class="PreTrainedTokenizerFast"
    ),
    "backend_class": with_tokenizer_json(
        lambda content: content["normalizer"].update(strip_accents=False), tokenizer_class="TokenizersBackend"
    ),
    "tokenizer_config_decides": with_tokenizer_json(lambda content: content["normalizer"].update(lowercase=False)),
    "tokenizer_json_is_not_bert": with_tokenizer_json(lambda content: content.update(normalizer=None)),
    "mecab": settings(tokenizer_class="BertJapaneseTokenizer"),
    "jieba": settings(tokenizer_class="RoFormerTokenizer"),
    "sentencepiece": settings(tokenizer_class="AlbertTokenizer"),
    "unknown_class": settings(tokenizer_class="MyTokenizer"),
    "code_of_its_own": settings(auto_map={"AutoTokenizer": ["tokenization.MyTokenizer", None]}),
    "custom_normalizer": with_tokenizer_json(other_normalizer, tokenizer_class="PreTrainedTokenizerFast"),
    "unigram": with_tokenizer_json(
        lambda content: content.update(model={"type": "Unigram", "unk_id": 0, "vocab": [["[UNK]", 0.0]]}),
        tokenizer_class="PreTrainedTokenizerFast",
    ),
    "other_mask": settings(mask_token="<mask>"),
    # Vocabularies.
    "saved_by_transformers_5": saved_with(),
    "vocabulary_of_tokenizer_json": both(with_tokenizer_json(lambda content: content), without("vocab.txt")),
    "padded_vocabulary": enlarged(24),
    "carriage_returns": vocabulary(lambda content: content.replace(b"\n", b"\r\n")),
    "byte_order_mark": vocabulary(lambda content: b"\xef\xbb\xbf" + content),
    "blank_line_at_the_end": vocabulary(lambda content: content + b"\n"),
    "vocabulary_of_another_model": vocabulary(lambda content: content + b"x\ny\n"),
    "no_vocabulary": without("vocab.txt"),
    "vocabulary_in_latin_1": vocabulary(lambda content: content + b"\xe9\n"),
    # Weights.
    "sharded": sharded,
    "missing_shard": without_shard,
    "damaged_index": both(sharded, lambda folder: (folder / "model.safetensors.index.json").write_text("{")),
    "decoder_bias_only": twin("cls.predictions.decoder.bias", "cls.predictions.bias", keep=False),
    "decoder_weight_only": twin("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight", keep=False),
    "both_twins": both(
        twin("cls.predictions.decoder.bias", "cls.predictions.bias", keep=True),
        twin("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight", keep=True),
    ),
    "without_prefix": renamed("bert.", ""),
    "saved_in_parallel": renamed("", "module."),
    "half": stored_as(torch.float16),
    "bfloat16": stored_as(torch.bfloat16),
    "double": stored_as(torch.float64),
    "float8": tensors(float8),
    "untied": both(tensors(untied), config(tie_word_embeddings=False)),
    "untied_without_decoder": config(tie_word_embeddings=False),
    "pickle_only": pickled,
    "flax_only": lambda folder: (folder / "model.safetensors").rename(folder / "flax_model.msgpack"),
    "fine_tuned_classifier": classifier,
    "encoder_only": encoder,
    "truncated": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "not_finite": tensors(lambda found: found["cls.predictions.bias"].fill_(float("nan"))),
    # Configurations.
    "gelu_new": config(hidden_act="gelu_new"),
    "gelu_python": config(hidden_act="gelu_python"),
    "relu": config(hidden_act="relu"),
    "silu": config(hidden_act="silu"),
    "relative_positions": config(position_embedding_type="relative_key"),
    "other_model": config(model_type="roberta"),
    "no_config": without("config.json"),
    "eps_nan": config(layer_norm_eps=float("nan")),
    "eps_text": config(layer_norm_eps="1e-12"),
    "length_null": settings(model_max_length=None),
    "length_infinite": settings(model_max_length=float("inf")),
    "length_huge": settings(model_max_length=1e30),
    "length_text": settings(model_max_length="512 tokens"),
    "length_zero": settings(model_max_length=0),
    "length_negative": settings(model_max_length=-1),
    "length_nan": settings(model_max_length=float("nan")),
    "length_true": settings(model_max_length=True),
}


def base(folder: Path) -> None:
    """Write the base checkpoint."""
    torch.manual_seed(1)
    shape = json.loads((TINY / "config.json").read_text())
    model = BertForMaskedLM(BertConfig(**{key: shape[key] for key in shape if key != "dtype"} | {"vocab_size": SIZE}))
    with torch.no_grad():
        for parameter in model.parameters():  # biases are zero at first, and would show nothing
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))


def answers(folder: Path) -> dict[str, Any]:
    """Return transformers' answers for a folder, or its error."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = [tokenizer(text)["input_ids"] for text in TEXTS]
        with torch.inference_mode():
            logits = [
                model(torch.tensor([row])).logits[0, row.index(tokenizer.mask_token_id)].log_softmax(-1) for row in ids
            ]
    except Exception as error:  # noqa: BLE001 - a broken folder raises anything
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ids": ids, "log_probabilities": [row.tolist() for row in logits]}


def main() -> None:
    """Make all folders and record transformers' answers."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    output = Path(sys.argv[1])
    base(output / "base")
    found = {}
    for name, change in FOLDERS.items():
        folder = Path(shutil.copytree(output / "base", output / name))
        change(folder)
        found[name] = answers(folder)
    content = {"texts": TEXTS, "answers": found}
    (output / "answers.json").write_text(json.dumps(content, ensure_ascii=False))


if __name__ == "__main__":
    main()
