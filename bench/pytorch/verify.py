"""Holds the PyTorch peer to the golden numbers in test/fixtures: log-scores, loss and gradients, and five AdamW steps with clipping and EMA.

Run: .venv/bin/python bench/pytorch/verify.py   (exit 0 when everything is within the tolerance that fixtures/tolerances.json states)
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ddit import ENTROPIES, DDiT
from training import Training

FIXTURES = Path(__file__).resolve().parents[2] / "test" / "fixtures"
TOLERANCES = json.loads((FIXTURES / "tolerances.json").read_text())
failures = 0


def distance(value: Tensor, truth: Tensor, relative_to: str) -> float:
    """Largest absolute difference, divided by the scale that the fixtures' README defines."""
    value, truth = value.detach().double(), truth.double()
    if relative_to == "last":
        scale = truth.abs().amax(dim=-1, keepdim=True)
    elif relative_to == "tensor":
        scale = truth.abs().max()
    else:
        scale = truth.abs().clamp(min=1)
    return ((value - truth).abs() / scale).max().item()


def report(name: str, measured: float, tolerance: float) -> None:
    global failures
    held = measured <= tolerance  # also false for NaN
    failures += not held
    print(f"{'ok  ' if held else 'FAIL'} {name:40} {measured:.1e} (tolerance {tolerance:.0e})")


def check(name: str, file: str, key: str, pairs: list[tuple[Tensor, Tensor]]) -> None:
    rule = TOLERANCES[file][key]
    report(name, max(distance(value, truth, rule["relative_to"]) for value, truth in pairs), rule["tolerance"])


def model() -> DDiT:
    config = json.loads((FIXTURES / "sedd-absorb" / "config.json").read_text())
    sizes = config["model"]
    network = DDiT(config["tokens"], sizes["hidden_size"], sizes["n_blocks"], sizes["n_heads"], sizes["cond_dim"])
    network.load_state_dict(load_file(FIXTURES / "sedd-absorb" / "model.safetensors"))  # strict: names and shapes are the official ones
    return network


def verify_scores() -> None:
    file = "sedd-absorb/io.safetensors"
    io = load_file(FIXTURES / file)
    network = model().eval()
    with torch.no_grad():
        check("log_score", file, "log_score", [(network(io["x"], io["sigma"]), io["log_score_f64"])])
        check("log_score_same", file, "log_score_same", [(network(io["x"], io["sigma_same"]), io["log_score_same"])])


def verify_loss() -> None:
    file = "loss-absorb.safetensors"
    golden = load_file(FIXTURES / file)
    for entropy in ENTROPIES:
        for compiled in (False, True):
            training = Training(model(), entropy=entropy, compiled=compiled)
            loss = training.loss(golden["x_t"], golden["x0"], golden["sigma"].float(), golden["dsigma"].float())
            loss.mean().backward()
            name = f"{entropy} {'compile' if compiled else 'eager'}"
            check(f"loss ({name})", file, "loss", [(loss, golden["loss"])])
            parameters = training.network.named_parameters()
            check(f"grad/* ({name})", file, "grad/*", [(p.grad, golden[f"grad/{n}"]) for n, p in parameters])


def verify_optimizer() -> None:
    file = "optimizer.safetensors"
    golden = load_file(FIXTURES / file)
    for case, decay in (("wd0", 0.0), ("wd0.03", 0.03)):
        network = model()
        start = {name: p.detach().clone() for name, p in network.named_parameters()}
        training = Training(network, weight_decay=decay, ema_decay=0.9999)
        norms, losses = [], []
        for step in range(5):
            training.set_learning_rate(golden[f"{case}.lr"][step].item())
            losses.append(training.forward_backward(golden["x_t"][step], golden["x0"][step], golden["t"][step].double()))
            norms.append(training.update())
        check(f"{case} loss", file, f"{case}.loss", [(torch.stack(losses), golden[f"{case}.loss"])])
        check(f"{case} gradient norm", file, f"{case}.grad_norm", [(torch.stack(norms), golden[f"{case}.grad_norm"])])
        after = dict(network.named_parameters())
        check(f"{case} parameters", file, f"{case}.param/*", [(p, golden[f"{case}.param/{n}"]) for n, p in after.items()])
        shadows = zip(after, training.shadow)
        check(f"{case} EMA", file, f"{case}.ema/*", [(s, golden[f"{case}.ema/{n}"]) for n, s in shadows])
        moved = max(
            ((p.detach().double() - golden[f"{case}.param/{n}"].double()).norm() / (golden[f"{case}.param/{n}"].double() - start[n]).norm()).item()
            for n, p in after.items()
        )
        report(f"{case} update, L2", moved, TOLERANCES[file][f"{case}.param/* minus start"]["tolerance"])


if __name__ == "__main__":
    verify_scores()
    verify_loss()
    verify_optimizer()
    sys.exit(1 if failures else 0)
