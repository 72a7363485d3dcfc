"""The head that maps pooled features to the joint space, of spectra and of molecules."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class EmbeddingHead(nn.Linear):
    """A linear layer, as in the paper. With `hidden`, a small network is added that starts as zero.

    From pooled features, a linear layer predicts a molecule's mass only to within 16 Da, a hidden layer to
    within 5 Da. Without the mass, retrieval from a whole library fails.
    """

    def __init__(self, n_in: int, n_out: int, *, hidden: int = 0, n_hidden_in: int | None = None) -> None:
        """`n_hidden_in`: width of the small network's input; by default `n_in`."""
        super().__init__(n_in, n_out)
        self.beside: nn.Sequential | None = None
        if hidden:
            last = nn.Linear(hidden, n_out)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            n = n_hidden_in or n_in
            self.beside = nn.Sequential(nn.LayerNorm(n), nn.Linear(n, hidden), nn.GELU(), last)

    def forward(self, x: Tensor, hidden_in: Tensor | None = None) -> Tensor:
        """x (..., n_in) to (..., n_out), unit length. `hidden_in` (..., n_hidden_in); by default x."""
        out = super().forward(x)
        if self.beside is not None:
            out = out + self.beside(x if hidden_in is None else hidden_in)
        return functional.normalize(out.float(), dim=-1)
