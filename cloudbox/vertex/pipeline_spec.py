"""The compiled pipeline (KFP IR, schema 2.1): its tasks, their inputs and their placeholders.

{"root": {"dag": {"tasks": {"train": {"componentRef": …, "dependentTasks": ["split"], "inputs": …}}}},
 "components": {…}, "deploymentSpec": {"executors": {"exec-train": {"container": {"image": …, "args": […]}}}}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format

from cloudbox.errors import ApiError, invalid
from cloudbox.vertex.prediction import plain

_UNSUPPORTED_IN_TASK = ("iteratorPolicy", "parameterIterator", "artifactIterator", "triggerPolicy")
_EMPTY: dict[str, Any] = {
    "STRUCT": {},
    "LIST": [],
    "STRING": "",
    "NUMBER_INTEGER": 0,
    "NUMBER_DOUBLE": 0,
    "BOOLEAN": False,
}
_PLACEHOLDER = re.compile(r"\{\{\$(.*?)\}\}")
_PARAMETER = re.compile(r"\.inputs\.parameters\['([^']+)'\]")
_OUTPUT = re.compile(r"\.outputs\.parameters\['([^']+)'\]\.output_file")


@dataclass(frozen=True)
class Task:
    """One task of the DAG; `inputs` and the types come from the IR unchanged."""

    name: str
    after: tuple[str, ...]
    container: Mapping[str, Any]
    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    outputs: Mapping[str, Any]
    retries: int

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit of the task; None without one. The IR gives 10^9 bytes."""
        limit = self.container.get("resources", {}).get("memoryLimit")
        return int(float(limit) * 10**9) if limit else None


def tasks_of(spec: Mapping[str, Any]) -> list[Task]:
    """The tasks of a compiled pipeline, in the order of the file.

    Raises:
        ApiError: INVALID_ARGUMENT for a broken specification or a cycle, UNIMPLEMENTED for what the box cannot run.
    """
    _check_schema(spec)
    try:
        dag = spec["root"]["dag"]["tasks"]
        tasks = [_task(name, task, spec) for name, task in dag.items()]
    except KeyError as error:
        raise invalid(f"Invalid pipeline spec: {error} is missing.") from error
    waiting = {task.name: set(task.after) for task in tasks}
    while ready := [name for name, after in waiting.items() if not after & set(waiting)]:
        for name in ready:
            del waiting[name]
    if waiting:
        raise invalid(f"Invalid pipeline spec: the tasks {', '.join(waiting)} wait for each other.")
    return tasks


def root_parameters(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline's own parameters, filled with their defaults. Raises ApiError(INVALID_ARGUMENT)."""
    defined = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    unknown = sorted(set(given) - set(defined))
    if unknown:
        raise invalid(f"The pipeline has no parameter `{', '.join(unknown)}` (has: {', '.join(defined) or 'none'}).")
    missing = [name for name, definition in defined.items() if name not in given and "defaultValue" not in definition]
    if missing := [name for name in missing if not defined[name].get("isOptional")]:
        raise invalid(f"The pipeline's parameter `{', '.join(missing)}` has no value.")
    return {**{name: _default(definition) for name, definition in defined.items()}, **given}


def input_values(task: Task, root: Mapping[str, Any], produced: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Values of a task's input parameters: constants, the pipeline's parameters, other tasks' outputs, defaults."""
    values = {name: _default(definition) for name, definition in task.parameters.items()}
    for name, source in task.inputs.items():
        if "runtimeValue" in source:
            values[name] = source["runtimeValue"]["constant"]
        elif "componentInputParameter" in source:
            values[name] = root[source["componentInputParameter"]]
        else:
            output = source["taskOutputParameter"]
            try:
                values[name] = produced[output["producerTask"]][output["outputParameterKey"]]
            except KeyError as error:
                raise invalid(
                    f"Task `{output['producerTask']}` did not write its output {output['outputParameterKey']!r}, "
                    f"which `{task.name}` needs."
                ) from error
    return {name: plain(value) for name, value in values.items()}


def resolver(fixed: Mapping[str, str], values: Mapping[str, Any], outputs: Mapping[str, str]) -> Callable[[str], str]:
    """A function that fills the placeholders of a text; a parameter's value may hold placeholders itself.

    Raises (the function):
        ApiError: INVALID_ARGUMENT for a placeholder that is not known.
    """

    def fill(match: re.Match[str]) -> str:
        path = match.group(1)
        if path in fixed:
            return fixed[path]
        if (parameter := _PARAMETER.fullmatch(path)) and parameter.group(1) in values:
            value = values[parameter.group(1)]
            return resolve(value if isinstance(value, str) else json.dumps(value))
        if (output := _OUTPUT.fullmatch(path)) and output.group(1) in outputs:
            return outputs[output.group(1)]
        raise invalid(f"The placeholder `{match.group()}` is not known.")

    def resolve(text: str) -> str:
        return _PLACEHOLDER.sub(fill, text)

    return resolve


def typed(text: str, parameter_type: str) -> Any:
    """The value of an output parameter from the file that the task wrote."""
    return text if parameter_type == "STRING" else plain(json.loads(text))


def _check_schema(spec: Mapping[str, Any]) -> None:
    """Returns when KFP's own messages have every field of the specification, each of its type."""
    from kfp.pipeline_spec import pipeline_spec_pb2 as ir  # brings all of KFP

    try:
        json_format.ParseDict(spec, ir.PipelineSpec())
        json_format.ParseDict(spec.get("deploymentSpec", {}), ir.PipelineDeploymentConfig())
    except json_format.ParseError as error:
        raise invalid(f"Invalid pipeline spec: {str(error).partition(chr(10))[0]}") from error


def _task(name: str, task: Mapping[str, Any], spec: Mapping[str, Any]) -> Task:
    component = spec["components"][task["componentRef"]["name"]]
    unsupported = [key for key in _UNSUPPORTED_IN_TASK if key in task]
    for side in ("inputDefinitions", "outputDefinitions"):
        if component.get(side, {}).get("artifacts"):
            unsupported.append("artifacts")
    executor = spec["deploymentSpec"]["executors"].get(component.get("executorLabel", ""), {})
    if "container" not in executor:
        unsupported.append("a component that is no container")
    if unsupported:
        raise ApiError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"The box cannot run task `{name}`: {', '.join(unsupported)}. It runs container components that exchange "
            "parameters.",
        )
    inputs = task.get("inputs", {}).get("parameters", {})
    producers = [
        binding["taskOutputParameter"]["producerTask"]
        for binding in inputs.values()
        if "taskOutputParameter" in binding
    ]
    return Task(
        name=name,
        after=tuple(dict.fromkeys([*task.get("dependentTasks", []), *producers])),
        container=executor["container"],
        inputs=inputs,
        parameters=component.get("inputDefinitions", {}).get("parameters", {}),
        outputs=component.get("outputDefinitions", {}).get("parameters", {}),
        retries=int(task.get("retryPolicy", {}).get("maxRetryCount", 0)),
    )


def _default(definition: Mapping[str, Any]) -> Any:
    return definition.get("defaultValue", _EMPTY.get(definition.get("parameterType", ""), ""))
