from pathlib import Path

import pytest

from evergreen.core.errors import InputError
from evergreen.serving.settings import ServerSettings


def test_the_container_environment_is_read() -> None:
    settings = ServerSettings.from_environment(
        {
            "AIP_STORAGE_URI": "/models/a",
            "AIP_HTTP_PORT": "8085",
            "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/2",
            "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
            "AIP_MODE": "PREDICTION",
            "EVERGREEN_HOST": "0.0.0.0",  # noqa: S104 - what the container will say
            "PATH": "/bin",
        }
    )
    assert (settings.port, settings.health_route) == (8085, "/v1/endpoints/1/deployedModels/2")
    assert settings.predict_route.endswith(":predict")
    assert settings.host == "0.0.0.0"  # noqa: S104 - what the container will say


def test_the_server_is_on_loopback_unless_asked_otherwise() -> None:
    assert ServerSettings.from_environment({"AIP_STORAGE_URI": "/m"}).host == "127.0.0.1"


def test_further_names_are_read_with_commas_between() -> None:
    given = {"AIP_STORAGE_URI": "/m", "EVERGREEN_ALLOWED_HOSTS": "app.example, host.docker.internal"}
    assert ServerSettings.from_environment(given).allowed_hosts == ("app.example", "host.docker.internal")


@pytest.mark.parametrize(("given", "threads"), [("3", 3), ("4,2", 4)])
def test_threads_are_those_of_openmp_s_outermost_level(given: str, threads: int) -> None:
    assert ServerSettings.from_environment({"AIP_STORAGE_URI": "/m", "OMP_NUM_THREADS": given}).threads == threads


def test_every_mistake_in_the_environment_is_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        ServerSettings.from_environment({"AIP_HTTP_PORT": "eighty", "AIP_HEALTH_ROUTE": "health"})
    for name in ("AIP_STORAGE_URI", "AIP_HTTP_PORT", "AIP_HEALTH_ROUTE", "'eighty'"):
        assert name in str(caught.value)


def test_a_local_folder_is_found_by_path_and_by_file_uri(tmp_path: Path) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    assert ServerSettings(storage_uri=str(folder)).model_dir == folder
    assert ServerSettings(storage_uri=folder.as_uri()).model_dir == folder


@pytest.mark.parametrize("uri", ["gs://bucket/model", "/no/such/folder"])
def test_a_model_that_is_not_in_a_local_folder_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="AIP_STORAGE_URI"):
        _ = ServerSettings(storage_uri=uri).model_dir
