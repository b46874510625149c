"""A pipeline of two tasks that hand a value on, with resources on the second; KFP reads the annotations themselves."""

from kfp import dsl

SCRIPT = 'printf "%s from $(pwd)" "$0" > "$1"; echo "in the log"; sleep "$PAUSE"; [ "$0" != fail ]'


@dsl.container_component  # type: ignore[untyped-decorator]  # KFP ships no types
def first(word: str, out: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]  # KFP's own idiom
    return dsl.ContainerSpec(image="steps", command=["sh", "-c"], args=[SCRIPT, word, out])


@dsl.component(install_kfp_package=False, base_image="steps")  # type: ignore[untyped-decorator]
def second(text: str, number: int) -> str:
    return f"{text}, {number + 1}"


@dsl.pipeline(name="two-tasks")  # type: ignore[untyped-decorator]
def two_tasks(word: str = "hello") -> None:
    task = first(word=word).set_env_variable("PAUSE", "0")
    second(text=task.outputs["out"], number=3).set_cpu_limit("6").set_memory_limit("20G")
