"""What answers look like: plain dictionaries, which pydantic describes in the OpenAPI document and never sees.

Names are Hugging Face's where it has them.
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
    """The candidates, best first; with several [MASK]s a list of them for each."""

    results: list[TokenScore] | list[list[TokenScore]]


class FilledMask(TypedDict):
    """A candidate for one [MASK], with the names of Hugging Face's fill-mask task."""

    score: Score
    token: Annotated[int, Field(description="The candidate's id in the vocabulary.")]
    token_str: Annotated[str, Field(description="Its text, with ## where it continues a word.")]
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
    token: Annotated[int | None, Field(description="The token's id where there is one token, else null.")]
    token_str: Annotated[str, Field(description="The words, with a space between them.")]
    sequence: Annotated[str, Field(description="The sentence with the words in place.")]
    tokens: Annotated[list[int], Field(description="The tokens' ids.")]
    words: Annotated[list[str], Field(description="One word for each run of adjacent [MASK]s.")]
    log_likelihood: Annotated[float, Field(description="Natural logarithm of the probability of all tokens together.")]


class SimilarityScore(TypedDict):
    """How close in meaning two sentences are."""

    score: Annotated[float, Field(description="Cosine of the two vectors, by measure.")]
    measure: Annotated[str, Field(description="whitened cosine where the served version has a whitening, else cosine.")]
    cosine: Annotated[float, Field(description="Cosine of the mean vectors as the model has them.")]


class Vectors(TypedDict):
    """The vectors of a text."""

    cls: Annotated[list[float], Field(description="The vector of [CLS].")]
    mean: Annotated[list[float], Field(description="The mean of the tokens' vectors.")]
    whitened: Annotated[list[float] | None, Field(description="The mean vector whitened; null where there is none.")]


class Weight(TypedDict):
    """How much an answer leans on one token, with joint also on the word for other [MASK]s."""

    token_str: str
    weight: float
    span: Annotated[list[int], Field(description="First character in the text and one past the last.")]


class ExplainedAnswer(TypedDict):
    """What the answer for one [MASK], or the word for a run of them, leans on."""

    text: str
    method: str
    prediction: Annotated[
        FilledMask | FilledWords,
        Field(description="The answer that is explained: words with joint or a word as target."),
    ]
    weights: Annotated[list[Weight], Field(description="One for each token of the text, in its order.")]
    note: Annotated[
        str | None, Field(description="What to know about the weights, such as that they say nothing; usually null.")
    ]


class Problem(TypedDict):
    """Every answer that is no success."""

    error: Annotated[str, Field(description="What is wrong and what to do.")]
    error_type: Annotated[str, Field(description="What kind of error, for programs.", examples=["InputError"])]


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
    """Return an answer as JSON, which has no other numbers than finite ones.

    Raises:
        ProtocolError: one is infinite or not a number, as those of a damaged model are.
    """
    try:
        return JSONResponse(answer)
    except ValueError as error:
        msg = "the model answered with numbers that are infinite or none at all; check the served version"
        raise ProtocolError(msg) from error


def token_score(prediction: Prediction) -> TokenScore:
    """Return a candidate as /predict has it."""
    return {"token": prediction.token_str, "score": prediction.score}


def filled_mask(prediction: Prediction) -> FilledMask:
    """Return a candidate for one [MASK]."""
    return {
        "score": prediction.score,
        "token": prediction.token,
        "token_str": prediction.token_str,
        "sequence": prediction.sequence,
    }


def filled_words(filling: Filling) -> FilledWords:
    """Return whole words."""
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
    """Return the similarity of a pair."""
    return {"score": similarity.score, "measure": similarity.measure, "cosine": similarity.cosine}


def vectors(features: Features) -> Vectors:
    """Return the vectors of a text."""
    return {
        "cls": features.cls.tolist(),
        "mean": features.mean.tolist(),
        "whitened": None if features.whitened is None else features.whitened.tolist(),
    }


def explained_answer(explanation: Explanation) -> ExplainedAnswer:
    """Return what an answer leans on."""
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
