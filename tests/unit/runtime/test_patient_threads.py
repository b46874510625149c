import os
import subprocess
import sys

from evergreen.runtime.processes import PATIENT_THREADS

SCRIPT = """
import os, sys
from evergreen.serving import __main__ as server
def serve(settings, load):
    print({name: os.environ.get(name) for name in %r}, "torch" in sys.modules)
    return 0
server.serve = serve
server.main(server._load_task)
"""


def test_threads_of_a_bare_server_sleep_while_they_wait_and_what_its_user_says_counts() -> None:
    for said in ({}, {"GOMP_SPINCOUNT": "7"}):
        kept = {name: value for name, value in os.environ.items() if name not in PATIENT_THREADS}
        environment = {**kept, "AIP_STORAGE_URI": "/m", **said}
        script = SCRIPT % sorted(PATIENT_THREADS)
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        seen, _, torch_is_loaded = done.stdout.strip().rpartition(" ")
        assert seen == str({name: {**PATIENT_THREADS, **said}[name] for name in sorted(PATIENT_THREADS)})
        assert torch_is_loaded == "False", "they count when the library is loaded"
