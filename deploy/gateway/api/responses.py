"""Define the schemas of answers.

Answers are plain dictionaries; pydantic describes them in the OpenAPI document and does not validate them. Names are
Hugging Face's where it has them.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from bert_mlm_client import (
    Classification,
    Explanation,
    Features,
    Filling,
    Prediction,
    Proofreading,
    ProtocolError,
    Similarity,
)
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

Score = Annotated[float, Field(description="Probability, from 0 to 1.")]


class TokenScore(TypedDict):
    """A candidate for one [MASK]."""

    token: Annotated[str, Field(description="The candidate's text.", examples=["都"])]
    score: Score


class PredictAnswer(TypedDict):
    """The candidates, best first.

    With several [MASK]s, a list of them for each.
    """

    results: list[TokenScore] | list[list[TokenScore]]


class FilledMask(TypedDict):
    """A candidate for one [MASK] in Hugging Face's format."""

    score: Score
    token: Annotated[int, Field(description="The candidate's id in the vocabulary.")]
    token_str: Annotated[str, Field(description="Its text, with ## if it continues a word.")]
    sequence: Annotated[str, Field(description="The sentence with it in place of this [MASK].")]


class FilledWords(TypedDict):
    """Whole words for the [MASK]s of a sentence."""

    score: Annotated[
        float,
        Field(
            description=(
                "With joint the probability of all the words together; of given words the geometric mean of their "
                "tokens' probabilities, so that different lengths compare. From 0 to 1."
            )
        ),
    ]
    token: Annotated[int | None, Field(description="The token's id if there is only one token, else null.")]
    token_str: Annotated[str, Field(description="The words, with a space between them.")]
    sequence: Annotated[str, Field(description="The sentence with the words in place.")]
    tokens: Annotated[list[int], Field(description="The tokens' ids.")]
    words: Annotated[list[str], Field(description="One word for each run of adjacent [MASK]s.")]
    log_likelihood: Annotated[float, Field(description="Natural logarithm of the probability of all tokens together.")]


class SimilarityScore(TypedDict):
    """The similarity of two sentences."""

    score: Annotated[float, Field(description="Cosine of the two vectors, by measure.")]
    measure: Annotated[str, Field(description="whitened cosine if the served version has a whitening, else cosine.")]
    cosine: Annotated[float, Field(description="Cosine of the unwhitened mean vectors.")]


class Vectors(TypedDict):
    """The vectors of a text."""

    cls: Annotated[list[float], Field(description="The vector of [CLS].")]
    mean: Annotated[list[float], Field(description="The mean of the tokens' vectors.")]
    whitened: Annotated[list[float] | None, Field(description="The whitened mean vector; null without a whitening.")]


class Weight(TypedDict):
    """The weight of one token for an answer.

    With `joint`, words for other [MASK]s have weights, too.
    """

    token_str: str
    weight: float
    span: Annotated[list[int], Field(description="First character in the text and one past the last.")]


class ExplainedAnswer(TypedDict):
    """The explanation of an answer.

    The answer is for one [MASK] or a run of them.
    """

    text: str
    method: str
    prediction: Annotated[
        FilledMask | FilledWords,
        Field(description="The explained answer: words with joint or a word as target."),
    ]
    weights: Annotated[list[Weight], Field(description="One for each token of the text, in its order.")]
    note: Annotated[
        str | None,
        Field(description="A remark on the weights, for example that they are not meaningful; usually null."),
    ]


class CharacterScore(TypedDict):
    """The probability of a token in its place."""

    score: Annotated[float, Field(description="Its probability when it alone is masked, from 0 to 1.")]
    token_str: Annotated[str, Field(description="Its text in the vocabulary, with ## if it continues a word.")]
    start: Annotated[int, Field(description="Its first character in the text.")]
    end: Annotated[int, Field(description="One past its last character.")]


class SuggestedCharacter(TypedDict):
    """A replacement for a suspect."""

    score: Score
    token: Annotated[int, Field(description="The character's id in the vocabulary.")]
    token_str: Annotated[str, Field(description="The character.", examples=["晓"])]


class SuspectCharacter(CharacterScore):
    """An improbable Chinese character."""

    suggestions: Annotated[list[SuggestedCharacter], Field(description="More probable characters, best first.")]


class ProofreadText(TypedDict):
    """The probabilities and the suspects of a text."""

    text: str
    characters: Annotated[
        list[CharacterScore],
        Field(description="One for each token in the text's order; none for a character outside the vocabulary."),
    ]
    suspects: Annotated[list[SuspectCharacter], Field(description="The improbable characters, in the text's order.")]


class LabelScore(TypedDict):
    """A label and its probability."""

    label: Annotated[str, Field(description="The label's name.", examples=["poem"])]
    score: Annotated[
        float, Field(description="Probability, from 0 to 1; with one label a text, all of a text add up to 1.")
    ]


class Problem(TypedDict):
    """An error."""

    error: Annotated[str, Field(description="What is wrong and what to do.")]
    error_type: Annotated[str, Field(description="The class of the error, for programs.", examples=["InputError"])]


FillMaskAnswer = (
    list[FilledMask]
    | list[list[FilledMask]]
    | list[list[list[FilledMask]]]
    | list[FilledWords]
    | list[list[FilledWords]]
)
ScoreAnswer = list[FilledWords] | list[list[FilledWords]]
SimilarityAnswer = list[float] | list[SimilarityScore]
FeaturesAnswer = Vectors | list[Vectors]
SentenceSimilarityAnswer = list[float]
FeatureExtractionAnswer = list[list[float]]
ClassifyAnswer = list[LabelScore] | list[list[LabelScore]]
TextClassificationAnswer = list[list[LabelScore]]
ProofreadAnswer = ProofreadText | list[ProofreadText]
ExplainAnswer = ExplainedAnswer | list[ExplainedAnswer] | list[ExplainedAnswer | list[ExplainedAnswer]]


class AnswerResponse(JSONResponse):
    """An answer in JSON.

    Starlette's class creates an encoder for each response.
    """

    def render(self, content: Any) -> bytes:
        """Encode the answer."""
        return _to_json(content).encode()


def response(answer: Any) -> JSONResponse:
    """Return an answer as JSON.

    Raises:
        ProtocolError: a number is infinite or NaN, which only a damaged model returns.
    """
    try:
        return AnswerResponse(answer)
    except ValueError as error:
        msg = "the model answered with infinite numbers or NaN; check the served version"
        raise ProtocolError(msg) from error


def answered(inputs: object, each: Sequence[Any]) -> JSONResponse:
    """Return the answers in the form of the inputs.

    One input has one answer; a list has a list of them.
    """
    return response(each if isinstance(inputs, list) else each[0])


def token_score(prediction: Prediction) -> TokenScore:
    """Convert a candidate for /predict."""
    return {"token": prediction.token_str, "score": prediction.score}


def filled_mask(prediction: Prediction) -> FilledMask:
    """Convert a candidate for one [MASK]."""
    return {
        "score": prediction.score,
        "token": prediction.token,
        "token_str": prediction.token_str,
        "sequence": prediction.sequence,
    }


def filled_words(filling: Filling) -> FilledWords:
    """Convert whole words."""
    return {
        "score": filling.score,
        "token": filling.tokens[0] if len(filling.tokens) == 1 else None,
        "token_str": filling.token_str,
        "sequence": filling.sequence,
        "tokens": list(filling.tokens),
        "words": list(filling.words),
        "log_likelihood": filling.log_likelihood,
    }


def similarity_score(similarity: Similarity) -> SimilarityScore:
    """Convert the similarity of a pair."""
    return {"score": similarity.score, "measure": similarity.measure, "cosine": similarity.cosine}


def label_score(classification: Classification) -> LabelScore:
    """Convert a label with its score."""
    return {"label": classification.label, "score": classification.score}


def vectors(features: Features) -> Vectors:
    """Convert the vectors of a text."""
    return {
        "cls": features.cls.tolist(),
        "mean": features.mean.tolist(),
        "whitened": None if features.whitened is None else features.whitened.tolist(),
    }


def explained_answer(explanation: Explanation) -> ExplainedAnswer:
    """Convert an explanation."""
    prediction = explanation.prediction
    return {
        "text": explanation.text,
        "method": explanation.method,
        "prediction": filled_words(prediction) if isinstance(prediction, Filling) else filled_mask(prediction),
        "weights": [
            {"token_str": weight.token_str, "weight": weight.weight, "span": list(weight.span)}
            for weight in explanation.weights
        ],
        "note": explanation.note,
    }


def proofread_text(proofreading: Proofreading) -> ProofreadText:
    """Convert the result of proofreading a text."""
    return {
        "text": proofreading.text,
        "characters": [
            {"score": one.score, "token_str": one.token_str, "start": one.start, "end": one.end}
            for one in proofreading.characters
        ],
        "suspects": [
            {
                "score": suspect.score,
                "token_str": suspect.token_str,
                "start": suspect.start,
                "end": suspect.end,
                "suggestions": [
                    {"score": one.score, "token": one.token, "token_str": one.token_str} for one in suspect.suggestions
                ],
            }
            for suspect in proofreading.suspects
        ],
    }
