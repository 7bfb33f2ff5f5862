"""Work in two processes that train together, on the CPU."""

import os
import socket
from collections.abc import Callable

import torch
from accelerate.state import AcceleratorState
from torch.multiprocessing.spawn import spawn


def in_two_processes(work: Callable[..., None], *args: object) -> None:
    """Call `work`, a function of a module that can be imported, in two processes; an error of one is raised here.

    They are started anew: a forked process would inherit locks that threads of other tests hold. If one fails, the
    other is ended.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn(_in_process, args=(port, work, args), nprocs=2)


def _in_process(rank: int, port: int, work: Callable[..., None], args: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    work(*args)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
