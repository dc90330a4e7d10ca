"""A Ray cluster of three nodes on loopback, for tests: prints its address, loses a node at each line that it reads."""

import sys

from ray.cluster_utils import Cluster


def main() -> None:
    size = {"num_cpus": 2, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    others = [cluster.add_node(**size) for _ in range(2)]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
        print("lost", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
