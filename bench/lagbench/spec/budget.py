"""Budgets: the quantity in which the architectures of a comparison are equal."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Budget(BaseModel):
    """The quantity in which architectures are equal: exactly one field is set.

    parameters: of the model. flops: operations of a forward pass on one example. state: numbers
    carried for one example at its end. width: the width itself, whatever it costs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=1)
    flops: int | None = Field(default=None, ge=1)
    state: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _reject_time_budget(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "time" in fields:
            raise ValueError(
                "time is no budget, as a width chosen by a clock is not reproducible; give one of "
                f"{', '.join(cls.model_fields)}, and equal_cost.csv will compare the scores of "
                "architectures after equal seconds"
            )
        return fields

    @model_validator(mode="after")
    def _check_one_field(self) -> "Budget":
        if len(self.stated) != 1:
            raise ValueError(f"a budget is one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def stated(self) -> dict[str, int]:
        """The field that is set, by name."""
        return self.model_dump(exclude_none=True)
