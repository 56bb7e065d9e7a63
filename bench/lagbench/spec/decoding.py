"""Decoding: how the symbols of a written answer are chosen."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_FIELDS = {
    "greedy": (),
    "sample": ("temperature", "top_k", "top_p"),
    "beam": ("beams", "length_penalty"),
}


class Decoding(BaseModel):
    """How the symbols of a written answer are chosen; values are fed back as they are predicted.

    greedy: the likeliest symbol at every step.
    sample: a symbol drawn from `softmax(logits / temperature)`, among the `top_k` likeliest alone,
        and among the fewest that hold `top_p` of the probability (Holtzman et al. 2020).
    beam: the likeliest answer that a search with `beams` of them finds, its log-probability divided
        by `((5 + length) / 6) ** length_penalty` (Wu et al. 2016).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["greedy", "sample", "beam"] = "greedy"
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    top_k: int | None = Field(default=None, ge=1)
    top_p: float = Field(default=1.0, gt=0, le=1)
    beams: int = Field(default=4, ge=1)
    length_penalty: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _its_own_fields(self) -> "Decoding":
        for method, names in _FIELDS.items():
            for name in names:
                changed = getattr(self, name) != type(self).model_fields[name].default
                if changed and method != self.method:
                    raise ValueError(f"{name} belongs to the method {method}, not to {self.method}")
        return self
