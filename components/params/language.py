"""Section language: the text encoder, its continued pretraining, smaller encoders, and sentiment of reviews."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.params.base import Count, LearningRate, Positive, Section, Share, Size


class PretrainParams(Section):
    """Continued pretraining of the language model."""

    method: Literal["none", "full", "lora"]
    max_new_tokens: Size = Field(
        default=5000, description="unknown words and Chinese characters added to the tokenizer, at most"
    )
    min_token_count: Count = Field(default=3, description="occurrences in the texts that a word needs to be added")
    max_steps: Size
    max_minutes: Positive
    texts_per_step: Size = Field(
        default=4, description="texts per step for masked (or next) token loss; 0: none. Memory: this x max_tokens"
    )
    pairs_per_step: Size = Field(
        default=32,
        description="pairs per step (such as query and clicked title) for the contrastive loss; 0: none",
    )
    temperature: Positive = Field(default=0.05, description="of the softmax over pairs; lower: only near texts count")
    mask_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.15, description="share of a text's tokens that an encoder must predict"
    )
    learning_rate: LearningRate
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.01, description="of AdamW, with method full")
    warmup_share: Share = Field(default=0.1, description="share of steps in which the learning rate rises")
    gradient_clip: Positive = Field(default=1.0, description="global norm at which gradients are clipped")
    lora_rank: Count = Field(default=8, description="rank of the LoRA matrices")
    lora_alpha: Positive = Field(default=16.0, description="LoRA updates are scaled by lora_alpha / lora_rank")
    held_out_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="share of texts left out of training, on which perplexity is measured"
    )
    held_out_texts: Count = Field(default=100, description="held-out texts that are read, at most; bounds time")
    checkpoint_every_steps: Count = Field(
        default=25, description="steps between checkpoints; a killed run resumes from the newest"
    )

    @model_validator(mode="after")
    def has_a_loss(self) -> "PretrainParams":
        """Require texts or pairs in a step, and two pairs at least: a single pair has no negative example."""
        if self.pairs_per_step == 1 or not (self.texts_per_step or self.pairs_per_step):
            raise ValueError("a step needs texts_per_step > 0 or pairs_per_step > 1 (0 turns either off)")
        return self


class CompressParams(Section):
    """Smaller encoders, compared with the full one by retrieval on the validation window."""

    variants: list[Literal["static", "int8", "distilled", "distilled_int8"]] = Field(
        default=["static"],
        description="any of static (one vector per token), int8, distilled, distilled_int8; []: the full model is used",
    )
    max_ndcg_loss: Share = Field(
        default=0.02,
        description="share of the best retrieval NDCG that a faster encoder may lose; or one standard error, if larger",
    )
    layers: Count = Field(default=3, description="layers of a distilled encoder")
    steps: Count = Field(default=200, description="distillation steps, each of language.batch_size texts")
    learning_rate: LearningRate = Field(default=0.0003, description="of distillation, at the start; decays to 0")


class SentimentParams(Section):
    """Sentiment of reviews, learned from the shop's own ratings."""

    positive: Annotated[float, Field(ge=1, le=5)] = Field(
        default=4, description="stars from which a review is a positive example"
    )
    negative: Annotated[float, Field(ge=1, le=5)] = Field(
        default=2, description="stars up to which a review is a negative example; those between are not used"
    )
    min_reviews: Annotated[int, Field(ge=10)] = Field(
        default=100, description="positive and negative reviews below which no model is trained"
    )
    max_reviews: Annotated[int, Field(ge=10)] = Field(
        default=5000, description="newest rated reviews that are read; bounds time"
    )
    held_out_share: Annotated[float, Field(gt=0, le=0.4)] = Field(
        default=0.2, description="newest share of reviews, for testing; as many before them calibrate"
    )
    c: Positive = Field(default=1.0, description="inverse strength of the L2 penalty; lower: smoother")

    @model_validator(mode="after")
    def classes_do_not_overlap(self) -> "SentimentParams":
        """Require the negative ratings below the positive ones."""
        if self.negative >= self.positive:
            raise ValueError(f"language.sentiment.negative {self.negative} is not below positive {self.positive}")
        return self


class LanguageParams(Section):
    """The text encoder."""

    model: str
    max_tokens: Annotated[int, Field(ge=4, le=8192)]
    batch_size: Count = Field(default=64, description="texts per batch when encoding; memory grows with it")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="of encoding and pretraining; auto: bfloat16 on CPUs with its instructions, else float32",
    )
    threads: Size = Field(default=0, description="torch threads for encoding and pretraining; 0: all cores")
    pretrain: PretrainParams
    compress: CompressParams = Field(default_factory=CompressParams)
    sentiment: SentimentParams = Field(default_factory=SentimentParams)
