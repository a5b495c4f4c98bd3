"""One training step of the PyTorch peer: corrupt, loss, gradients, clip to norm 1, AdamW or Muon, EMA of the weights.

Every choice is what was fastest on CPU with PyTorch 2.13: fused AdamW, multi-tensor (`_foreach`) norm and EMA, PyTorch's own Muon.
"""

import torch
from torch import Tensor

from ddit import ENTROPIES, DDiT, loglinear


class Training:
    def __init__(
        self,
        network: DDiT,
        entropy: str = "indexed",
        compiled: bool = False,
        optimizer: str = "adamw",
        learning_rate: float = 3e-4,
        weight_decay: float = 0.0,
        ema_decay: float = 0.999,
    ):
        self.network = network.train()
        self.entropy = ENTROPIES[entropy]
        # The dense loss compiles as one graph; the indexed one has shapes that depend on the data and breaks into several.
        self.loss = torch.compile(self._loss, fullgraph=entropy == "dense") if compiled else self._loss
        self.parameters = list(network.parameters())
        self.shadow = [p.detach().clone() for p in self.parameters]
        self.ema_decay = ema_decay
        self.updates = 0
        matrices = {p for p in network.blocks.parameters() if p.ndim == 2} if optimizer == "muon" else set()
        matrices -= {block.adaLN_modulation.weight for block in network.blocks}
        rest = [p for p in self.parameters if p not in matrices]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay, fused=True)
        ]
        if matrices:
            # PyTorch's own Muon: Nesterov, momentum 0.95, five Newton-Schulz iterations (in bfloat16), update * 0.2 * sqrt(larger side).
            hidden = [p for p in self.parameters if p in matrices]
            self.optimizers.append(torch.optim.Muon(hidden, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"))

    def set_learning_rate(self, learning_rate: float) -> None:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate

    def _loss(self, x: Tensor, x0: Tensor, sigma: Tensor, rate: Tensor) -> Tensor:
        """Per row [B]: sigma'(t) times the sum over positions of the score entropy."""
        return rate * self.entropy(self.network(x, sigma), sigma, x, x0).sum(dim=-1)

    def forward_backward(self, x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        """Gradients of the mean loss for noisy x, clean x0 [B, L] and times t [B] (float64: the schedule loses digits near t = 1)."""
        sigma, rate = loglinear(t)
        loss = self.loss(x, x0, sigma.float(), rate.float()).mean()
        loss.backward()
        return loss.detach()

    def update(self) -> Tensor:
        """Clip, step, EMA with decay min(d, (1+n)/(10+n)), and drop the gradients. Returns the gradient's norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        for optimizer in self.optimizers:
            optimizer.step()
        self.updates += 1
        decay = min(self.ema_decay, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            torch._foreach_lerp_(self.shadow, self.parameters, 1 - decay)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return norm


def corrupt(x0: Tensor, mask: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Times stratified over the batch, t in [1e-3, 1], and every token masked with probability 1 - e^(-sigma(t)). Returns (x, t)."""
    batch = x0.shape[0]
    t = (torch.arange(batch) + torch.rand(batch, generator=generator, dtype=torch.float64)) / batch
    t = 1e-3 + (1 - 1e-3) * t
    masked = torch.rand(x0.shape, generator=generator) < -torch.expm1(-loglinear(t)[0]).float()[:, None]
    return torch.where(masked, mask, x0), t
