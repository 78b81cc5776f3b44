from pathlib import Path

import pytest

from loadtest.sentences import masked_sentences, text_of

TEXT = Path(__file__).parents[2] / "models" / "demo" / "text"


def test_sentences_are_distinct_and_deterministic() -> None:
    sentences = masked_sentences(300)
    assert sentences == masked_sentences(300)
    assert len(set(sentences)) == 300


def test_each_is_a_sentence_of_the_texts_with_one_masked_character() -> None:
    texts = "".join((TEXT / name).read_text(encoding="utf-8") for name in ("everyday.txt", "heldout.txt"))
    for sentence in masked_sentences(100):
        before, after = sentence.split("[MASK]")
        place = texts.find(before)
        while place >= 0 and not texts.startswith(after, place + len(before) + 1):
            place = texts.find(before, place + 1)
        assert place >= 0, sentence


def test_lengths_are_mixed_and_bounded() -> None:
    lengths = sorted(len(sentence.replace("[MASK]", "x")) for sentence in masked_sentences(300, longest=80))
    assert lengths[0] < 10
    assert 40 < lengths[-1] <= 80


def test_asking_for_too_many_sentences_is_an_error() -> None:
    with pytest.raises(ValueError, match="10000000 sentences requested"):
        masked_sentences(10_000_000)


@pytest.mark.parametrize("characters", [1, 6, 14, 510])
def test_text_has_the_given_length_including_its_mask(characters: int) -> None:
    text = text_of(characters)
    assert len(text.replace("[MASK]", "x")) == characters
    assert text.count("[MASK]") == 1
