"""A worker that times training steps of the PyTorch peer on request: JSON lines in, JSON lines out (README.md lists them).

It holds its state between requests and is idle while waiting, so that a benchmark can alternate between it and another engine in one run.
Standard output carries answers only; whatever libraries print goes to standard error.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

# One compiler process, so that no pool of workers stays behind to disturb the timing. Read when torch is imported.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import torch

from ddit import DDiT
from training import Training, corrupt

# What a request may leave out: the benchmark of the project's first issue.
DEFAULTS = {
    "hidden": 256,
    "layers": 6,
    "heads": 4,
    "cond": 128,
    "vocabulary": 2048,
    "batch": 8,
    "length": 256,
    "threads": 2,
    "mode": "eager",
    "optimizer": "adamw",
    "entropy": None,
    "seed": 1,
}
CHOICES = {"mode": ("eager", "compile"), "optimizer": ("adamw", "muon"), "entropy": (None, "indexed", "dense")}


def memory() -> dict[str, int]:
    """Resident set of this process in bytes: the highest so far (VmHWM) and now (VmRSS). Linux only."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(fields[key].split()[0]) * 1024 for name, key in (("peak_rss_bytes", "VmHWM"), ("rss_bytes", "VmRSS"))}


class Worker:
    training: Training | None = None

    def init(self, request: dict) -> dict:
        unknown = set(request) - set(DEFAULTS)
        if unknown:
            raise ValueError(f"unknown option {sorted(unknown)[0]!r}: known are {', '.join(DEFAULTS)}")
        options = DEFAULTS | request
        for name, allowed in CHOICES.items():
            if options[name] not in allowed:
                raise ValueError(f"{name} is {options[name]!r}: use one of {allowed}")
        # Each mode gets the form of the loss that is faster for it (README.md); the numbers are the same.
        options["entropy"] = options["entropy"] or ("dense" if options["mode"] == "compile" else "indexed")
        torch.set_num_threads(options["threads"])
        torch.manual_seed(options["seed"])
        network = DDiT(options["vocabulary"], options["hidden"], options["layers"], options["heads"], options["cond"])
        self.training = Training(network, options["entropy"], options["mode"] == "compile", options["optimizer"])
        self.mask = options["vocabulary"]
        self.generator = torch.Generator().manual_seed(options["seed"])
        self.x0 = torch.randint(options["vocabulary"], (options["batch"], options["length"]), generator=self.generator)
        parameters = sum(p.numel() for p in network.parameters())
        return {"torch": torch.__version__, "parameters": parameters, "options": options, **memory()}

    def step(self, n: int = 1) -> dict:
        if self.training is None:
            raise ValueError("step before init: send init first")
        total, gradient, update = [], [], []
        for _ in range(n):
            start = time.perf_counter()
            x, t = corrupt(self.x0, self.mask, self.generator)
            corrupted = time.perf_counter()
            loss = self.training.forward_backward(x, self.x0, t)
            differentiated = time.perf_counter()
            self.training.update()
            end = time.perf_counter()
            total.append((end - start) * 1e3)
            gradient.append((differentiated - corrupted) * 1e3)
            update.append((end - differentiated) * 1e3)
        answer = {"ms": total, "forward_backward_ms": gradient, "optimizer_ms": update, **memory()}
        return answer | ({"loss": loss.item() / self.x0.shape[1]} if n > 0 else {})

    def products(self, shapes: list, n: int, threads: int) -> dict:
        """Median milliseconds of A·B for each [m, k, n, transpose_a, transpose_b]."""
        torch.set_num_threads(threads)
        medians = []
        for m, k, columns, transpose_a, transpose_b in shapes:
            a = torch.randn(k, m).T if transpose_a else torch.randn(m, k)
            b = torch.randn(columns, k).T if transpose_b else torch.randn(k, columns)
            out = torch.empty(m, columns)
            times = []
            for _ in range(n + 1):
                start = time.perf_counter()
                torch.mm(a, b, out=out)
                times.append((time.perf_counter() - start) * 1e3)
            medians.append(statistics.median(times[1:]))
        return {"ms": medians}

    def reset_peak(self) -> dict:
        """Lets VmHWM start again from the present resident set, so that compiling does not count as the step's memory."""
        Path("/proc/self/clear_refs").write_text("5")
        return memory()

    def answer(self, request: dict) -> dict:
        command = request.pop("cmd", None)
        if command == "init":
            return self.init(request)
        if command == "step":
            return self.step(**request)
        if command == "products":
            return self.products(**request)
        if command == "reset_peak":
            return self.reset_peak()
        raise ValueError(f"cmd is {command!r}: use init, step, products or reset_peak")


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        try:
            answer = worker.answer(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
