"""The DDiT of SEDD (absorb graph, log-linear noise) and its training loss, in plain PyTorch: the peer that our engine is timed against.

Written from the equations (Lou, Meng, Ermon, ICML 2024) with the parameter names of the official checkpoints; verify.py holds it to the
golden numbers. It is neither a port of the official code nor a tuned kernel: it is what a careful PyTorch user would write, with the
library's fused operations (layer norm with its weight, scaled-dot-product attention) wherever there is one.

Shapes: B rows, L positions, D hidden, H heads, C conditioning, S = vocabulary + 1 states; MASK is the last state.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FREQUENCIES = 256
NOISE_EPS = 1e-3


def loglinear(t: Tensor) -> tuple[Tensor, Tensor]:
    """sigma(t) = -log(1 - (1-eps) t) and its derivative in t; any shape."""
    kept = 1 - (1 - NOISE_EPS) * t
    return -torch.log(kept), (1 - NOISE_EPS) / kept


class Embedding(nn.Module):
    """Token embedding [S, D], kaiming-uniform with a = sqrt(5)."""

    def __init__(self, states: int, hidden: int):
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(states, hidden))
        nn.init.kaiming_uniform_(self.embedding, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.embedding(x, self.embedding)


class SigmaEmbedding(nn.Module):
    """sigma [B] -> [B, C]: 128 cosines, then 128 sines of sigma * 10000^(-i/128), then a two-layer MLP."""

    def __init__(self, cond: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, cond), nn.SiLU(), nn.Linear(cond, cond))

    def forward(self, sigma: Tensor) -> Tensor:
        half = FREQUENCIES // 2
        frequencies = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(10000) / half)).to(sigma.dtype)
        angles = sigma[:, None] * frequencies
        return self.mlp(torch.cat((angles.cos(), angles.sin()), dim=-1))


class Rotary(nn.Module):
    """Cosines and sines [L, 1, 1, head] of the rotary position embedding (halves, base 10000), kept between calls of one length."""

    def __init__(self, head: int):
        super().__init__()
        self.register_buffer("inv_freq", 10000.0 ** (-torch.arange(0, head, 2).float() / head))
        self.kept: tuple[Tensor, Tensor] | None = None

    def forward(self, length: int) -> tuple[Tensor, Tensor]:
        if self.kept is None or self.kept[0].shape[0] != length or self.kept[0].dtype != self.inv_freq.dtype:
            angles = torch.outer(torch.arange(length, dtype=self.inv_freq.dtype), self.inv_freq)
            angles = torch.cat((angles, angles), dim=-1)[:, None, None, :]
            self.kept = angles.cos(), angles.sin()
        return self.kept


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale) + shift


def dropout_scale_add(x: Tensor, scale: Tensor, residual: Tensor, dropout: float, training: bool) -> Tensor:
    """residual + scale * dropout(x): the branch's gate. (At p = 0 F.dropout returns its input: nothing is computed.)"""
    return residual + scale * F.dropout(x, p=dropout, training=training)


class Block(nn.Module):
    """x [B, L, D], c [B, C] -> [B, L, D]: gated attention, then a gated MLP, each behind a modulated layer norm."""

    def __init__(self, hidden: int, heads: int, cond: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm1 = nn.LayerNorm(hidden, bias=False)
        self.attn_qkv = nn.Linear(hidden, 3 * hidden, bias=False)
        self.attn_out = nn.Linear(hidden, hidden, bias=False)
        self.norm2 = nn.LayerNorm(hidden, bias=False)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(approximate="tanh"), nn.Linear(4 * hidden, hidden))
        self.adaLN_modulation = nn.Linear(cond, 6 * hidden)
        nn.init.zeros_(self.adaLN_modulation.weight)
        nn.init.zeros_(self.adaLN_modulation.bias)

    def attention(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        qkv = self.attn_qkv(x).view(batch, length, 3, self.heads, hidden // self.heads)
        qk = rotate(qkv[:, :, :2], cos, sin)
        q, k, v = (part.transpose(1, 2) for part in (qk[:, :, 0], qk[:, :, 1], qkv[:, :, 2]))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.attn_out(mixed.transpose(1, 2).reshape(batch, length, hidden))

    def forward(self, x: Tensor, c: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c)[:, None].chunk(6, dim=-1)
        branch = self.attention(modulate(self.norm1(x), shift1, scale1), cos, sin)
        x = dropout_scale_add(branch, gate1, x, self.dropout, self.training)
        branch = self.mlp(modulate(self.norm2(x), shift2, scale2))
        return dropout_scale_add(branch, gate2, x, self.dropout, self.training)


class Output(nn.Module):
    """x [B, L, D], c [B, C] -> [B, L, S]: modulated layer norm and the untied head, at every position."""

    def __init__(self, hidden: int, states: int, cond: int):
        super().__init__()
        self.norm_final = nn.LayerNorm(hidden, bias=False)
        self.linear = nn.Linear(hidden, states)
        self.adaLN_modulation = nn.Linear(cond, 2 * hidden)
        for layer in (self.linear, self.adaLN_modulation):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(c)[:, None].chunk(2, dim=-1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class DDiT(nn.Module):
    """tokens [B, L] (int64), sigma [B] -> log-scores [B, L, S], natural log, 0 at the token itself."""

    def __init__(self, vocabulary: int, hidden: int, layers: int, heads: int, cond: int, dropout: float = 0.0):
        super().__init__()
        self.vocabulary = vocabulary
        self.vocab_embed = Embedding(vocabulary + 1, hidden)
        self.sigma_map = SigmaEmbedding(cond)
        self.rotary_emb = Rotary(hidden // heads)
        self.blocks = nn.ModuleList(Block(hidden, heads, cond, dropout) for _ in range(layers))
        self.output_layer = Output(hidden, vocabulary + 1, cond)

    def forward(self, tokens: Tensor, sigma: Tensor) -> Tensor:
        c = F.silu(self.sigma_map(sigma))
        cos, sin = self.rotary_emb(tokens.shape[1])
        x = self.vocab_embed(tokens)
        for block in self.blocks:
            x = block(x, c, cos, sin)
        x = self.output_layer(x, c)
        x = x - (torch.log(torch.expm1(sigma)) + math.log(self.vocabulary))[:, None, None]
        return x.scatter(-1, tokens[..., None], 0.0)


def score_entropy_indexed(log_score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
    """Absorb score entropy [B, L] as the official code goes about it: the rows of masked positions are gathered first.

    At a MASK, with r = 1/(e^sigma - 1): sum over y != MASK of s_y, minus r log s_{x0}, plus K(r) = r (log r - 1); 0 elsewhere.
    """
    masked = x == log_score.shape[-1] - 1
    ratio = torch.expm1(sigma).reciprocal()[:, None].expand_as(x)[masked]
    rows = log_score[masked]
    positive = rows[:, :-1].exp().sum(dim=-1)
    negative = ratio * rows.gather(-1, x0[masked][:, None]).squeeze(-1)
    constant = ratio * (ratio.log() - 1)
    return torch.zeros_like(log_score[..., 0]).masked_scatter(masked, positive - negative + constant)


def score_entropy_dense(log_score: Tensor, sigma: Tensor, x: Tensor, x0: Tensor) -> Tensor:
    """The same number with fixed shapes: computed at every position, then zeroed where nothing is masked (what a compiler can fuse)."""
    masked = x == log_score.shape[-1] - 1
    ratio = torch.expm1(sigma).reciprocal()[:, None]
    positive = log_score[..., :-1].exp().sum(dim=-1)
    negative = ratio * log_score.gather(-1, x0[..., None]).squeeze(-1)
    constant = ratio * (ratio.log() - 1)
    return torch.where(masked, positive - negative + constant, 0.0)


ENTROPIES = {"indexed": score_entropy_indexed, "dense": score_entropy_dense}
