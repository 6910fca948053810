"""One forward pass of a small random transformer in one process, and in two that share its tokens: diffusers' context
parallelism, over gloo on the CPU. Says how far apart the results are, and nothing about GPUs.

usage: python bench/context_parallel.py [--json]
"""

import argparse
import json
import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that the file runs as it lies

import torch  # noqa: E402
from diffusers import ContextParallelConfig, QwenImageTransformer2DModel  # noqa: E402
from torch import Tensor, distributed  # noqa: E402

from models.forward import Forward  # noqa: E402

PROCESSES, RUNS = 2, 5
SHAPES = [(1, 32, 32), (1, 32, 32)]
WORDS, WIDTH, CHANNELS = 64, 64, 16


def transformer() -> QwenImageTransformer2DModel:
    torch.manual_seed(0)
    return QwenImageTransformer2DModel(
        in_channels=CHANNELS, out_channels=4, num_layers=4, attention_head_dim=32, num_attention_heads=8,
        joint_attention_dim=WIDTH, axes_dims_rope=(8, 12, 12), zero_cond_t=True,
    ).eval()  # fmt: skip


def passes(model: QwenImageTransformer2DModel) -> dict[str, Callable[[], Tensor]]:
    """Through diffusers' own forward pass, and through ours."""
    torch.manual_seed(1)
    tokens = torch.randn(1, sum(rows * columns for _, rows, columns in SHAPES), CHANNELS)
    words, now = torch.randn(1, WORDS, WIDTH), torch.tensor([0.5])

    def stock() -> Tensor:
        told = {"timestep": now, "encoder_hidden_states": words, "img_shapes": [SHAPES], "return_dict": False}
        made: Tensor = model(hidden_states=tokens, **told)[0]
        return made

    return {"diffusers": stock, "ours": lambda: Forward(model, SHAPES, words)(tokens, now)}


def timed(work: Callable[[], Tensor]) -> tuple[Tensor, float]:
    made, seconds = work(), []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return made, median(seconds)


def measure(rank: int, port: int, told: "SimpleQueue[dict[str, dict[str, float]]]") -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    distributed.init_process_group("gloo", rank=rank, world_size=PROCESSES)
    torch.set_num_threads(1)
    # Which diffusers divides by: there is none on a CPU.
    torch.accelerator.device_count = lambda: 1
    results = {}
    with torch.inference_mode():
        for name, alone in passes(transformer()).items():
            expected, seconds_alone = timed(alone) if rank == 0 else (alone(), 0.0)
            distributed.barrier()
            shared = transformer()
            shared.enable_parallelism(config=ContextParallelConfig(ulysses_degree=PROCESSES))
            made, seconds = timed(passes(shared)[name])
            apart = float((made - expected).abs().max())
            results[name] = {"apart": apart, "seconds_one": seconds_alone, "seconds_two": seconds}
    if rank == 0:
        told.put(results)
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description="context parallelism in two processes on the CPU")
    parser.add_argument("--json", action="store_true", help="one JSON line instead of the table")
    asked = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    processes = [context.Process(target=measure, args=(rank, port, queue)) for rank in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit("a process failed")
    results = queue.get()
    if not asked.json:
        print(f"{'forward pass':>12}  {'one, s':>8}  {'two, s':>8}  {'apart':>8}")
        for name, row in results.items():
            print(f"{name:>12}  {row['seconds_one']:8.3f}  {row['seconds_two']:8.3f}  {row['apart']:8.1e}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
