"""Budgets: what the architectures of a comparison have in equal measure."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Budget(BaseModel):
    """What the architectures of a comparison have in equal measure, each for one example.

    parameters: of the whole model. flops: operations of a forward pass at the task's length.
    state: numbers carried when a whole example has been read. width: as it is, matched to nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=1)
    flops: int | None = Field(default=None, ge=1)
    state: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _no_stopwatch(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "time" in fields:
            raise ValueError(
                "time is none, as a width that a stopwatch finds is another the next time; give "
                f"one of {', '.join(cls.model_fields)}, and equal_cost.csv will say what each "
                "architecture had reached in equal seconds"
            )
        return fields

    @model_validator(mode="after")
    def _one_of_them(self) -> "Budget":
        if len(self.stated) != 1:
            raise ValueError(f"a budget is one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def stated(self) -> dict[str, int]:
        """What the budget says, by name."""
        return self.model_dump(exclude_none=True)
