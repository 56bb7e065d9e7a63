"""Decoding: how an autoregressive model chooses the tokens of its answer."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_FIELDS = {
    "greedy": (),
    "sample": ("temperature", "top_k", "top_p"),
    "beam": ("beams", "length_penalty"),
}


class Decoding(BaseModel):
    """How tokens are chosen; values are fed back as they are predicted.

    greedy: the most probable token at every step.
    sample: a token sampled from `softmax(logits / temperature)`, restricted to the `top_k` most
        probable and to the nucleus of probability `top_p` (Holtzman et al. 2020).
    beam: the best answer of a beam search with `beams` hypotheses by its log-probability divided by
        `((5 + length) / 6) ** length_penalty` (Wu et al. 2016).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["greedy", "sample", "beam"] = "greedy"
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float = Field(default=1.0, gt=0, le=1)
    beams: int = Field(default=4, ge=1)
    length_penalty: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_fields_of_method(self) -> "Decoding":
        for method, names in _FIELDS.items():
            for name in names:
                changed = getattr(self, name) != type(self).model_fields[name].default
                if changed and method != self.method:
                    raise ValueError(f"{name} belongs to the method {method}, not to {self.method}")
        return self
