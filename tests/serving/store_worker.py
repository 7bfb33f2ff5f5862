"""Fork workers that write to a store until they are killed: `python -m serving.store_worker STORE LOG`.

Each line on standard input starts a worker and prints its process id; `dead` is printed once it has died. A worker logs
`stored ID OWNER` after each acknowledged write, `deleting ID OWNER` before each deletion and `deleted ID OWNER` after
it. Forking avoids importing torch for each worker.
"""

import os
import random
import sys
import threading
from pathlib import Path

from serving.random_adapters import random_adapter

from lorify.serving.storage.store import AdapterStore

OWNERS = ("ann", "bob")
NUM_ADAPTERS = 12  # few, so that owners often share one
ADAPTER_SIZE = 20_000


def churn(store: AdapterStore, owner: str, log: int, rng: random.Random) -> None:
    """Store, replace and delete adapters of one owner until killed."""
    mine = {stored.id for stored in store.list(owner)}

    def write_log(event: str, id: str) -> None:
        os.write(log, f"{event} {id} {owner}\n".encode())

    while True:
        adapter = random_adapter(rng.randrange(NUM_ADAPTERS), size=ADAPTER_SIZE)
        action = rng.choice(("put", "put", "replace", "delete")) if mine else "put"
        old = rng.choice(sorted(mine)) if action != "put" else ""
        new = ""
        if old:
            write_log("deleting", old)
        if action == "delete":
            store.delete(old, owner)
        elif action == "replace":
            new = store.replace(old, adapter, owner).id
        else:
            new = store.put(adapter, owner).id
        if old:
            write_log("deleted", old)
        if new:
            write_log("stored", new)
        mine = mine - {old} | {new} - {""}


def work(folder: Path, log_path: Path, seed: int) -> None:
    """Open the store and write to it from one thread per owner."""
    store = AdapterStore(folder, 1 << 30, 1 << 20)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for owner in OWNERS:
        threading.Thread(target=churn, args=(store, owner, log, random.Random(f"{seed} {owner}"))).start()


if __name__ == "__main__":
    for round_number, _ in enumerate(sys.stdin):
        pid = os.fork()
        if pid == 0:
            work(Path(sys.argv[1]), Path(sys.argv[2]), round_number)
            threading.Event().wait()
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("dead", flush=True)
