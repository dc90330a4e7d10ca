"""A Ray cluster of three nodes on loopback, for tests: prints its address, then loses a node for each line it reads.

A line holds process ids; the node that is lost is one on which one of them runs, and not the head.
"""

import sys

import psutil
from ray.cluster_utils import Cluster


def main() -> None:
    size = {"num_cpus": 2, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    others = [cluster.add_node(**size) for _ in range(2)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        parents = {psutil.Process(int(pid)).ppid() for pid in line.split()}
        lost = next(node for node in others if node.all_processes["raylet"][0].process.pid in parents)
        cluster.remove_node(lost, allow_graceful=False)
        print("lost", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
