"""A verification child loads what verifies, and neither an HTTP client nor the signers of others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from surefoot_agent import lean

CHILDREN = ("trust_child", "privileged.chain_child")


@pytest.mark.slow
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_holds_neither_an_http_client_nor_a_signing_library(child: str) -> None:
    left_out = (*lean.SIGNERS, "botocore", "urllib3", "http.client")
    code = (
        f"import sys; from surefoot_agent import lean; lean.leave_out(); import surefoot_agent.{child}; "
        f"print('tuf.ngclient' in sys.modules, [name for name in {left_out} if sys.modules.get(name)])"
    )

    done = subprocess.run([sys.executable, "-I", "-B", "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "True []", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("child", CHILDREN)
def test_it_is_the_child_that_answers(child: str) -> None:
    command = [sys.executable, "-I", "-B", "-m", "surefoot_agent.lean", child]

    done = subprocess.run(command, input=b"junk", capture_output=True, check=False)

    assert (done.returncode, b"Invalid" in done.stderr or b'"error":{' in done.stdout) in ((1, True), (0, True))


@pytest.mark.slow
def test_a_command_of_the_agent_goes_without_the_signers_of_others() -> None:
    code = (
        "import sys; sys.argv = ['surefoot-agent', 'trust', '--help']; from surefoot_agent.__main__ import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    print([name for name in {lean.SIGNERS} if sys.modules[name]])"
    )

    done = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_the_fetcher_in_the_library_s_place_cannot_be_made() -> None:
    with pytest.raises(RuntimeError, match="fetches nothing"):
        lean.NoFetcher()
