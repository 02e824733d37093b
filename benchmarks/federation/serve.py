"""`python -m benchmarks.federation.serve <module> <port>`: one of this package's applications, one worker."""

import sys

from kokoa.web.server import ServerSettings, run_server

if __name__ == "__main__":
    module, port = sys.argv[1:]
    run_server(ServerSettings(target=f"benchmarks.federation.{module}:create", port=int(port), workers=1))
