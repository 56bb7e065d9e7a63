"""The compiled attention of one step to many, `attention_step.cpp`; not recorded by autograd."""

from torch import Tensor

from lagbench.kernels.library import empty_like, run


def attention_step(
    x: Tensor,
    weights: list[Tensor],
    cosine: Tensor | None,
    sine: Tensor | None,
    mask: Tensor | None,
    key: Tensor,
    value: Tensor,
    steps: int,
) -> Tensor:
    """`x + merge(heads of project(norm(x)))` of one step `(B, D)`.

    weights: the norm's scale and shift, `project`, and the weight and bias of `merge`. Where
        `project` is `(3 * D, D)`, the step's own key and value become the last of all.
    cosine, sine: of its position, `(1, d)`; None: nothing is rotated.
    mask: `(B, steps)` bool, false on keys that nobody may see.
    key, value: `(B, H, room, d)`, of which the first `steps` are read.
    """
    B, H, room, _ = key.shape
    result = empty_like(x)
    sizes = B, H, steps, room, x.shape[1], len(weights[2])
    run("attention_step", sizes, x, *weights, cosine, sine, mask, key, value, result)
    return result
