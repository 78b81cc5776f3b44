"""Define the schemas of requests.

The OpenAPI document is generated from them.

Names are Hugging Face's where it has them. Validation is strict: an unknown field is an error, and so is "5" for 5.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

SENTENCE = "中国的首[MASK]是北京。"


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, list) else "one"


def _pairs_or_source(value: Any) -> str:
    return "pairs of" if isinstance(value, Pairs) or (isinstance(value, dict) and "pairs" in value) else "source and"


# A discriminator, so that an error is about the intended branch and not about both.
_ONE_OR_SEVERAL = Discriminator(_one_or_several)
# Only documented in the schema: the client's error messages about a text are better.
Masked = Annotated[str, Field(json_schema_extra={"pattern": r"\[MASK\]"})]
Texts = Annotated[
    Annotated[Masked, Tag("one")] | Annotated[list[Masked], Field(min_length=1, fail_fast=True), Tag("several")],
    _ONE_OR_SEVERAL,
    Field(description="A sentence with one [MASK] or more, or several such sentences.", examples=[SENTENCE]),
]
AnyTexts = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(min_length=1, fail_fast=True), Tag("several")],
    _ONE_OR_SEVERAL,
    Field(description="A text, with or without [MASK], or several texts.", examples=["今天天气真好。"]),
]
# In JSON Schema 5.0 is an integer: https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.2.
_Whole = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
TopK = Annotated[int, Field(ge=1, description="How many candidates for each [MASK]."), _Whole]
Words = Annotated[list[str], Field(fail_fast=True, min_length=1, examples=[["北京", "上海"]])]
Target = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(fail_fast=True, min_length=1), Tag("several")],
    _ONE_OR_SEVERAL,
    Field(
        description="The answer to explain, by default the best: a token, or for several [MASK]s a list with a token "
        "for each; or a word for each run of adjacent [MASK]s.",
        examples=["都"],
    ),
]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
Truncate = Annotated[bool, Field(description="Truncate a text that is too long to the part around its [MASK].")]


class Body(BaseModel):
    """A strictly validated JSON object."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(Body):
    """A sentence and the number of candidates."""

    text: Annotated[Masked, Field(description="A sentence with one [MASK] or more.", examples=[SENTENCE])]
    top_k: TopK = 5


class FillMaskParameters(Body):
    """Options of fill-mask."""

    top_k: TopK = 5
    targets: Annotated[
        Words | None, Field(description="Choose among these words, of any length; best first, top_k at most.")
    ] = None
    joint: Annotated[bool, Field(description="Fill all [MASK]s together, as whole words; 16 answers at most.")] = False
    skip_punctuation: Annotated[bool, Field(description="Leave punctuation out of the candidates.")] = False
    truncate: Truncate = False


class FillMaskRequest(Body):
    """Sentences to fill."""

    inputs: Texts
    parameters: FillMaskParameters = FillMaskParameters()


class ScoreParameters(Body):
    """Options of score."""

    candidates: Annotated[Words, Field(description="Words of any length for the one gap of each sentence.")]
    truncate: Truncate = False


class ScoreRequest(Body):
    """Sentences and the candidate words for their gap."""

    inputs: Texts
    parameters: ScoreParameters


class SourceAndSentences(Body):
    """A sentence and others to compare it with.

    The format is that of Hugging Face's sentence-similarity task.
    """

    source_sentence: Annotated[str, Field(examples=["今天天气真好。"])]
    sentences: Annotated[
        list[str], Field(fail_fast=True, min_length=1, examples=[["今天天气不错。", "他去图书馆了。"]])
    ]


class Pairs(Body):
    """Pairs of sentences."""

    pairs: Annotated[list[Pair], Field(fail_fast=True, min_length=1, examples=[[["今天天气真好。", "今天天气不错。"]]])]


class NoParameters(Body):
    """An empty object, as sent by Hugging Face's client."""


class SimilarityRequest(Body):
    """Sentences to compare."""

    inputs: Annotated[
        Annotated[SourceAndSentences, Tag("source and")] | Annotated[Pairs, Tag("pairs of")],
        Discriminator(_pairs_or_source),
    ]
    parameters: NoParameters = NoParameters()


class FeaturesParameters(Body):
    """Options of features."""

    truncate: Annotated[bool, Field(description="Truncate a text that is too long to its beginning.")] = False


class FeaturesRequest(Body):
    """Texts to convert to vectors."""

    inputs: AnyTexts
    parameters: FeaturesParameters = FeaturesParameters()


class ExplainParameters(Body):
    """Options of explain."""

    target: Target | None = None
    joint: Annotated[
        bool, Field(description="Explain the words for all [MASK]s together, as fill-mask finds them.")
    ] = False
    method: Annotated[
        Literal["occlusion", "attention"],
        Field(description="occlusion: how much the answer's score drops without a token; attention: the last layer's."),
    ] = "occlusion"
    truncate: Truncate = False


class ExplainRequest(Body):
    """Sentences with answers to explain."""

    inputs: Texts
    parameters: ExplainParameters = ExplainParameters()


FIELD_NAMES = frozenset(
    name
    for body in (
        PredictRequest,
        FillMaskRequest,
        FillMaskParameters,
        ScoreRequest,
        ScoreParameters,
        SourceAndSentences,
        Pairs,
        ExplainParameters,
    )
    for name in body.model_fields
)
"""All field names of requests."""
