"""Define the schemas of requests.

The OpenAPI document is generated from them.

Names are Hugging Face's where it has them. Validation is strict: an unknown field is an error, and so is "5" for 5.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

SENTENCE = "中国的首[MASK]是北京。"


def _one_or_several(value: Any) -> str:
    return "several" if isinstance(value, list) else "one"


def _text_or_pair(value: Any) -> str:
    return "pair" if isinstance(value, dict | TextAndPair) else "one"


def _texts_or_pairs(value: Any) -> str:
    return "several" if isinstance(value, list) else _text_or_pair(value)


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
Proofreadable = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(min_length=1, fail_fast=True), Tag("several")],
    _ONE_OR_SEVERAL,
    Field(
        description="A text, or several texts. A [MASK] in a text stays masked.", examples=["春眠不觉小，处处闻啼鸟。"]
    ),
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
Targets = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(fail_fast=True, min_length=1), Tag("several")],
    _ONE_OR_SEVERAL,
    Field(
        description="Choose among these words, of any length; best first, top_k at most.", examples=[["北京", "上海"]]
    ),
]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
Truncate = Annotated[bool, Field(description="Truncate a text that is too long to the part around its [MASK].")]
TruncateEnd = Annotated[bool, Field(description="Truncate a text that is too long to its beginning.")]
Options = Annotated[
    dict[str, Any] | None,
    Field(description="Options of Hugging Face's hosted service, such as wait_for_model; ignored."),
]
Labels = Annotated[int | None, Field(ge=1, description="How many labels for each text; null is all."), _Whole]


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
    targets: Targets | None = None
    joint: Annotated[bool, Field(description="Fill all [MASK]s together, as whole words; 16 answers at most.")] = False
    skip_punctuation: Annotated[bool, Field(description="Leave punctuation out of the candidates.")] = False
    truncate: Truncate = False


class FillMaskRequest(Body):
    """Sentences to fill."""

    inputs: Texts
    parameters: FillMaskParameters = FillMaskParameters()
    options: Options = None


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
    options: Options = None


class SentenceSimilarityRequest(Body):
    """A sentence and others to compare it with."""

    inputs: SourceAndSentences
    parameters: NoParameters = NoParameters()
    options: Options = None


class FeaturesParameters(Body):
    """Options of features."""

    truncate: TruncateEnd = False


class FeaturesRequest(Body):
    """Texts to convert to vectors."""

    inputs: AnyTexts
    parameters: FeaturesParameters = FeaturesParameters()


class FeatureExtractionRequest(Body):
    """Texts to convert to vectors, with Hugging Face's options."""

    inputs: AnyTexts
    normalize: Annotated[bool, Field(description="Scale each vector to length 1.")] = True
    truncate: TruncateEnd = False
    truncation_direction: Annotated[
        Literal["right", "Right"], Field(description="A text that is too long loses its end.")
    ] = "right"
    encoding_format: Literal["float"] = "float"
    options: Options = None


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


class ProofreadParameters(Body):
    """Options of proofread."""

    threshold: Annotated[
        float,
        Field(
            ge=0, le=1, description="Probability below which a Chinese character is a suspect, if others are likelier."
        ),
    ] = 0.0001  # the client's
    top_k: Annotated[int, Field(ge=1, description="How many suggestions for each suspect."), _Whole] = 5
    spacing: Annotated[
        int | None,
        Field(
            ge=2,
            description="Mask every so many tokens in one row, such as 5, which is faster; the scores of suspects are "
            "those of one token at a time. null masks one token at a time.",
        ),
        _Whole,
    ] = None
    truncate: TruncateEnd = False


class ProofreadRequest(Body):
    """Texts to proofread."""

    inputs: Proofreadable
    parameters: ProofreadParameters = ProofreadParameters()


class TextAndPair(Body):
    """Two texts to classify together."""

    text: Annotated[str, Field(examples=["他跑得很快。"])]
    text_pair: Annotated[str, Field(examples=["他跑步很快。"])]


TextsOrPairs = Annotated[
    Annotated[str, Tag("one")]
    | Annotated[TextAndPair, Tag("pair")]
    | Annotated[
        list[Annotated[Annotated[str, Tag("one")] | Annotated[TextAndPair, Tag("pair")], Discriminator(_text_or_pair)]],
        Field(min_length=1, fail_fast=True),
        Tag("several"),
    ],
    Discriminator(_texts_or_pairs),
    Field(description="A text, a pair of texts, or several of them.", examples=["床前明月光，疑是地上霜。"]),
]


class ClassifyParameters(Body):
    """Options of classify."""

    top_k: Labels = 1
    truncate: TruncateEnd = False


class ClassifyRequest(Body):
    """Texts to classify."""

    inputs: TextsOrPairs
    parameters: ClassifyParameters = ClassifyParameters()
    options: Options = None


class TextClassificationParameters(Body):
    """Options of text classification, with Hugging Face's names and defaults."""

    top_k: Labels = None
    truncate: TruncateEnd = False


class TextClassificationRequest(Body):
    """Texts to classify, with Hugging Face's options."""

    inputs: TextsOrPairs
    parameters: TextClassificationParameters = TextClassificationParameters()
    options: Options = None


FIELD_NAMES = frozenset(name for body in Body.__subclasses__() for name in body.model_fields)
"""All field names of requests."""

Input = TypeVar("Input", str, str | TextAndPair)


def listed(inputs: Input | list[Input]) -> list[Input]:
    """Return the inputs as a list."""
    return inputs if isinstance(inputs, list) else [inputs]
