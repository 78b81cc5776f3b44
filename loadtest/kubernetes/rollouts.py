"""Roll deployments out and back, and drain a node."""

from collections.abc import Sequence

from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.pods import ROLLOUT, observed, pods_of, replicas_of
from loadtest.processes import StartError


def roll_out(kubectl: Kubectl) -> str:
    """Roll the model servers out and back.

    The report has the maximum number of pods, which the memory plan (twice the replicas) must cover.
    """
    replicas = replicas_of(kubectl, "serving")
    memory = kubectl.run(
        "get", "deployment", "serving", "-o", "jsonpath={.spec.template.spec.containers[0].resources.limits.memory}"
    )
    lines = []
    for name, change in (
        ("rollout", ("set", "env", "deployment/serving", "VERIFY=1")),
        ("undo", ("rollout", "undo", "deployment/serving")),
    ):
        # A rollout before the last one's pods have ended needs their memory, too.
        _wait_for_ends(kubectl)

        def change_and_wait(change: tuple[str, ...] = change) -> None:
            kubectl.run(*change)
            kubectl.run("rollout", "status", "deployment/serving", ROLLOUT, timeout_s=700)

        most, fewest = observed(kubectl, ["serving"], change_and_wait)["serving"]
        if fewest < replicas or most > 2 * replicas:
            msg = f"{name}: {fewest} to {most} model servers for {replicas} replicas"
            raise StartError(msg)
        lines.append(
            f"{name}: complete; {fewest} or more of {replicas} model servers ready; with those terminating {most} at "
            f"most, {most} x {memory} of memory; the plan is {2 * replicas} x {memory}"
        )
    return "\n".join(lines)


def drain(kubectl: Kubectl) -> str:
    """Drain a node with all pods.

    The report has the number of pods that stayed ready.
    """
    names = ("serving", "gateway")
    node, *others = (one["metadata"]["name"] for one in kubectl.objects("nodes"))
    try:
        kubectl.run("cordon", *others)
        for name in names:
            kubectl.run("rollout", "restart", f"deployment/{name}")
            kubectl.run("rollout", "status", f"deployment/{name}", ROLLOUT, timeout_s=700)
        kubectl.run("uncordon", *others)
        _wait_for_ends(kubectl)
        before = {pod["spec"]["nodeName"] for name in names for pod in pods_of(kubectl, name)}
        if before != {node}:
            msg = f"the pods are on {', '.join(sorted(before))}, not on {node} alone"
            raise StartError(msg)
        counts = _drain(kubectl, node, names)
        left = [pod for name in names for pod in pods_of(kubectl, name) if pod["spec"]["nodeName"] == node]
    finally:
        kubectl.run("uncordon", node, *others)
    for name, fewest in counts.items():
        if fewest < replicas_of(kubectl, name) - 1 or left:
            msg = f"{fewest} pods of {name} were ready during a drain, and {len(left)} stayed on the node"
            raise StartError(msg)
    ready = ", ".join(f"{fewest} or more of {replicas_of(kubectl, name)} of {name}" for name, fewest in counts.items())
    return f"drain of {node}, which had all pods: {ready} ready; all ready elsewhere in the end"


def _drain(kubectl: Kubectl, node: str, names: Sequence[str]) -> dict[str, int]:
    """Drain a node and return the fewest ready pods."""

    def drain_and_wait() -> None:
        kubectl.run("drain", node, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=500s", timeout_s=600)
        for name in names:
            kubectl.run("rollout", "status", f"deployment/{name}", ROLLOUT, timeout_s=700)

    counts = observed(kubectl, names, drain_and_wait)
    return {name: fewest for name, (_, fewest) in counts.items()}


def _wait_for_ends(kubectl: Kubectl) -> None:
    """Wait until no pod is terminating."""

    def ended() -> bool:
        return all(len(pods_of(kubectl, name)) == replicas_of(kubectl, name) for name in ("serving", "gateway"))

    kubectl.wait(ended, "the ends of replaced pods", 300)
