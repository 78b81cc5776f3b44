import numpy as np
import pytest

from models.demo import corpus
from models.demo.packing import MASKED_SHARE, Packer
from models.demo.tokenizer import build_tokenizer, id_of

TEXTS = ["床前明月光，疑是地上霜。", "画龙点睛", "今天天气真好啊，适合出去玩。", "守株待兔"]
SOURCES = [corpus.Source("a", TEXTS[:2], (1.0, 0.0)), corpus.Source("b", TEXTS[2:], (0.0, 1.0))]
TOKENIZER = build_tokenizer(corpus.vocabulary(SOURCES, 200))


@pytest.fixture
def packer() -> Packer:
    return Packer(SOURCES, TOKENIZER, length=48, rows=32, seed=7)


def test_every_text_is_whole_in_one_row_with_its_own_positions(packer: Packer) -> None:
    batch = packer.batch(0, late=False)
    ids = batch.input_ids.copy()
    ids.ravel()[batch.targets] = batch.labels
    known = {tuple(TOKENIZER.encode(text).ids) for text in TEXTS[:2]}
    for row in range(32):
        for number in range(1, batch.segments[row].max() + 1):
            place = batch.segments[row] == number
            assert tuple(ids[row, place].tolist()) in known
            assert batch.positions[row, place].tolist() == list(range(place.sum()))
    assert not ids[batch.segments == 0].any()
    assert (batch.segments > 0).mean() > 0.7


def test_early_and_late_batches_use_their_own_shares(packer: Packer) -> None:
    for late, wanted in ((False, "霜"), (True, "玩")):
        batch = packer.batch(0, late=late)
        unwanted = "玩" if wanted == "霜" else "霜"
        assert id_of(TOKENIZER, wanted) in (*batch.input_ids.ravel(), *batch.labels)
        assert id_of(TOKENIZER, unwanted) not in batch.labels


def test_about_a_fifth_of_each_text_is_masked(packer: Packer) -> None:
    batches = [packer.batch(step, late=True) for step in range(20)]
    masked = sum(len(batch.targets) for batch in batches)
    inside = sum(int((batch.segments > 0).sum()) - 2 * int(batch.segments.max(axis=1).sum()) for batch in batches)
    assert masked / inside == pytest.approx(MASKED_SHARE, abs=0.04)
    for batch in batches:
        texts = {(row, number) for row in range(32) for number in range(1, batch.segments[row].max() + 1)}
        guessed = {(int(flat // 48), int(batch.segments.ravel()[flat])) for flat in batch.targets}
        assert guessed == texts


def test_special_tokens_are_never_masked(packer: Packer) -> None:
    labels = np.concatenate([packer.batch(step, late=False).labels for step in range(20)])
    assert labels.min() >= len(corpus.SPECIAL_TOKENS)


def test_a_batch_depends_only_on_seed_and_step(packer: Packer) -> None:
    again = Packer(SOURCES, TOKENIZER, length=48, rows=32, seed=7)
    packer.batch(0, late=False)
    assert np.array_equal(packer.batch(5, late=False).input_ids, again.batch(5, late=False).input_ids)
    assert not np.array_equal(packer.batch(5, late=False).input_ids, packer.batch(6, late=False).input_ids)
