"""A bag of words: the one model here that cannot tell orders apart."""

from dataclasses import dataclass

from lagbench import Architecture, Cost, Mixer, Signature, register
from lagbench.layers.bag import Bag, Reduction


@dataclass(frozen=True)
class BagOfWords(Architecture):
    """The mean (or sum) of the embeddings so far, and a dense layer.

        m_t = (x_1 + … + x_t) / t
        y_t = relu(W m_t + b)

    The last output answers from all words, each other one from the words up to there. It shows
    what a task gives away without any order.

    Source: deep averaging network of one layer, Iyyer et al. 2015, "Deep unordered composition
    rivals syntactic methods for text classification".

    Attributes:
        reduction: `mean`, or `sum`, which keeps counts but grows with the length.
    """

    cost = Cost(compute="T", path="1", sequential="1")
    reduction: Reduction = "mean"

    def build(self, width: int, signature: Signature) -> Mixer:
        """One dense layer: `D² + D` parameters at any length."""
        return Bag(width, self.reduction)


register("bag_of_words", BagOfWords())
