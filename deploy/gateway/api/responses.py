"""Define the schemas of answers.

Answers are plain dictionaries; pydantic describes them in the OpenAPI document and does not validate them. Names are
Hugging Face's where it has them.
"""

from typing import Annotated, Any

from bert_mlm_client import Explanation, Features, Filling, Prediction, ProtocolError, Similarity
from fastapi.responses import JSONResponse
from pydantic import Field
from typing_extensions import TypedDict

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
ExplainAnswer = ExplainedAnswer | list[ExplainedAnswer] | list[ExplainedAnswer | list[ExplainedAnswer]]


def response(answer: Any) -> JSONResponse:
    """Return an answer as JSON.

    Raises:
        ProtocolError: a number is infinite or NaN, which only a damaged model returns.
    """
    try:
        return JSONResponse(answer)
    except ValueError as error:
        msg = "the model answered with infinite numbers or NaN; check the served version"
        raise ProtocolError(msg) from error


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
