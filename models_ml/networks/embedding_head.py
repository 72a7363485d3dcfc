"""From pooled features to the joint space, the same for both sides."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class EmbeddingHead(nn.Linear):
    """Linear, as in the paper. With `hidden`, a small network beside it that begins as zero.

    A linear layer finds a molecule's mass in its pooled features to 16 Da only, a hidden layer to 5; without
    the mass nothing can be found in a whole library.
    """

    def __init__(self, n_in: int, n_out: int, *, hidden: int = 0, n_beside: int | None = None) -> None:
        """`n_beside`: width of what the hidden layer reads, if not the same."""
        super().__init__(n_in, n_out)
        self.beside: nn.Sequential | None = None
        if hidden:
            last = nn.Linear(hidden, n_out)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            n = n_beside or n_in
            self.beside = nn.Sequential(nn.LayerNorm(n), nn.Linear(n, hidden), nn.GELU(), last)

    def forward(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """(..., n_in), and (..., n_beside) if that is another, to (..., n_out) of unit length."""
        out = super().forward(x)
        if self.beside is not None:
            out = out + self.beside(x if beside is None else beside)
        return functional.normalize(out.float(), dim=-1)
