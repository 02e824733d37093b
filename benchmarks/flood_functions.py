"""Functions that flood: each does one thing as fast and as long as it can. Their handler takes no event."""

_HEAD = "import os, socket, sys, threading, time\n"
_API = 'def api():\n    return socket.create_connection(("127.0.0.1", 9001))\n'
_DOOR = """
import urllib.request
def ask(url, data=None):
    try:
        urllib.request.urlopen(urllib.request.Request(url, data), timeout=5).read()
    except OSError:
        pass
def many(url, data=None):
    def forever():
        while True:
            ask(url, data)
    for _ in range(32):
        threading.Thread(target=forever, daemon=True).start()
    forever()
"""


def _flood(body: str, before: str = "") -> str:
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    return f"{_HEAD}{before}\ndef handler(event, context):\n{lines}"


FLOODS: dict[str, str] = {
    "processes": _flood("""
while True:
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
    except OSError:
        pass
"""),
    "threads": _flood("""
def spin():
    while True:
        try:
            threading.Thread(target=spin, daemon=True).start()
        except RuntimeError:
            pass
spin()
"""),
    "descriptors": _flood("""
held = []
while True:
    try:
        held += socket.socketpair()
    except OSError:
        held.clear()
"""),
    "inodes": _flood("""
n = 0
while True:
    n += 1
    try:
        open(f"/tmp/{n}", "w").close()
        os.mkdir(f"/tmp/d{n}")
    except OSError:
        os.system("rm -rf /tmp/*")
"""),
    "memory": _flood("""
held = []
while True:
    held.append(os.urandom(1 << 20) + bytes(8 << 20))
"""),
    "disk": _flood("""
block = os.urandom(1 << 20)
while True:
    try:
        with open("/tmp/full", "wb") as file:
            while True:
                file.write(block)
    except OSError:
        pass
"""),
    "logs": _flood("""
block = b"\\n" * 65536
while True:
    os.write(1, block)
"""),
    "spin": _flood("""
if os.fork() == 0:
    while True:
        pass
while True:
    pass
"""),
    "exit_at_once": _flood("os._exit(1)"),
    "endless_answer": _flood(
        """
id = context.aws_request_id
line = api()
path = f"/2018-06-01/runtime/invocation/{id}/response"
line.sendall(f"POST {path} HTTP/1.1\\r\\nContent-Length: 9999999999\\r\\n\\r\\n".encode())
block = bytes(65536)
while True:
    try:
        line.sendall(block)
    except OSError:
        line = api()
""",
        _API,
    ),
    "endless_head": _flood(
        """
block = b"X-A: b\\r\\n" * 8000
while True:
    try:
        line = api()
        line.sendall(b"GET / HTTP/1.1\\r\\n")
        while True:
            line.sendall(block)
    except OSError:
        pass
""",
        _API,
    ),
    "endless_header": _flood(
        """
block = b"a" * 65536
while True:
    try:
        line = api()
        line.sendall(b"GET / HTTP/1.1\\r\\nX-A: ")
        while True:
            line.sendall(block)
    except OSError:
        pass
""",
        _API,
    ),
    "connections": _flood("""
def hold(port):
    while True:
        held = []
        try:
            for _ in range(200):
                held.append(socket.create_connection(("127.0.0.1", port), 1))
        except OSError:
            pass
        for one in held:
            one.close()
for port in (9001, 9002, 9003):
    threading.Thread(target=hold, args=(port,), daemon=True).start()
hold(9002)
"""),
    "store": _flood(
        'many(os.environ["APP_LOAD_BALANCER_URL"] + "/graphql", '
        'b\'{"query":"{ products(limit: 50) { id name price variants { sku price } } }"}\')',
        _DOOR,
    ),
    "aws": _flood('many(os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/")', _DOOR),
    "invokes": _flood(
        """
client = boto3.client("lambda", config=botocore.config.Config(retries={"total_max_attempts": 1}))
def forever():
    while True:
        try:
            client.invoke(FunctionName=context.function_name, Payload=b"{}")
        except Exception:
            pass
for _ in range(8):
    threading.Thread(target=forever, daemon=True).start()
forever()
""",
        "import boto3, botocore.config\n",
    ),
}
