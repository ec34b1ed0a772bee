"""The commands of docs/distributed.md that only a cluster can run are commands of the package."""

from __future__ import annotations

import shlex

import yaml

from tests.distributed.small import PAGE
from tests.pages import BLOCK
from tfkit.cli import _parser


def test_commands_for_a_cluster_are_commands_of_the_package():
    parser, parsed = _parser(), []
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["reason"] and block["language"] == "sh":
            for line in block["code"].replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                if words[0] == "tfkit":
                    parsed.append(parser.parse_args(words[1:]).command)
    assert parsed == [*["predict"] * 3, "train", "tune", "train"]


def test_the_job_of_kubernetes_is_a_ray_job_whose_command_runs_on_its_workers():
    _, manifest = PAGE.read_text(encoding="utf-8").split("```yaml\n")
    job = yaml.safe_load(manifest.split("```")[0])
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    options = _parser().parse_args(shlex.split(job["spec"]["entrypoint"])[1:])
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert group["replicas"] == options.workers
    assert container["resources"]["limits"]["cpu"] == str(options.cpus_per_worker)
    assert all(path.startswith("/shared/") for path in (options.train, options.output))
