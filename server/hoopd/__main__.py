"""``hoopd``: the gateway's command. What it needs beside the command's own packages is the extra ``server``."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

# gRPC's own pool of threads contends with the event loop: without it a tunnel is faster. An experiment that this
# version of gRPC does not know would be complained of, so its minor version is fixed in pyproject.toml.
EXPERIMENTS = "-event_engine_client,-event_engine_listener,-event_engine_callback_cq"
NEEDED = ("cryptography", "postgast", "psycopg", "psycopg_pool", "pydantic", "jwt", "yaml")


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def main() -> None:
    """Entry point of the console script."""
    if not all(_installed(name) for name in NEEDED):
        sys.stderr.write("hoopd needs the packages of the gateway: pip install 'hoopctl[server]'\n")
        raise SystemExit(1)
    # gRPC's own log is for its authors; it is set before anything can import grpc.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ.setdefault("GRPC_EXPERIMENTS", EXPERIMENTS)
    from hoopd.commands.app import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
