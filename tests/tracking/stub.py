"""A W&B server on loopback that records what arrives, and misbehaves as told."""

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

VIEWER = {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}


@dataclass
class Arrived:
    """What a server was sent, in order."""

    graphql: list[tuple[str, dict]] = field(default_factory=list)
    streams: list[tuple[str, dict]] = field(default_factory=list)  # run id, body
    uploads: dict[str, bytes] = field(default_factory=dict)  # body by path
    authorizations: set[str] = field(default_factory=set)

    def calls(self, operation):
        return [variables for name, variables in self.graphql if name == operation]

    def history(self, run):
        """The rows of a run's history."""
        return [
            json.loads(line)
            for id_, body in self.streams
            if id_ == run
            for line in body.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
        ]

    def summary(self, run):
        """The last summary of a run."""
        return [
            json.loads(body["files"]["wandb-summary.json"]["content"][-1])
            for id_, body in self.streams
            if id_ == run and "wandb-summary.json" in body.get("files", {})
        ][-1]

    def exit_code(self, run):
        return [body["exitcode"] for id_, body in self.streams if id_ == run and "exitcode" in body]


class Stub(ThreadingHTTPServer):
    """`status`: what every request is answered; None: nothing. `dies_at`: operation it dies at."""

    daemon_threads = True

    def __init__(self, status=200, dies_at=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.dies_at = status, dies_at
        self.arrived, self.over, self.reached = Arrived(), Event(), Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def die(self):
        """Answer nothing any more, and take no connection."""
        self.status = "dead"
        self.socket.close()
        self.over.set()

    def handle_error(self, request, client_address):
        """A client that was killed is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.answer({})

    def do_PUT(self):
        self.server.arrived.uploads[self.path.removeprefix("/upload/")] = self.body()
        self.answer({})

    def do_POST(self):
        body = self.body()
        self.server.arrived.authorizations.add(self.headers.get("authorization", ""))
        if self.path == "/graphql":
            asked = json.loads(body)
            named = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            operation = named.group(1) if named else "?"
            self.server.reached.set()
            if operation == self.server.dies_at:
                self.server.die()
            variables = asked.get("variables") or {}
            self.server.arrived.graphql.append((operation, variables))
            self.answer({"data": self.data(operation, variables)})
        else:
            stream = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
            if stream:
                self.server.arrived.streams.append((stream.group(1), json.loads(body)))
            self.answer({})

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, found):
        if self.server.status is None:  # it hangs
            self.server.over.wait()
        if self.server.status in (None, "dead"):
            self.close_connection = True
            return
        body = json.dumps(found).encode()
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def data(self, operation, variables):
        """What W&B's client reads of an answer, and no more."""
        at = f"{self.server.url}/upload"
        match operation:
            case "Viewer" | "GetViewer" | "GetDefaultEntity":
                return {"viewer": VIEWER}
            case "UpsertBucket":
                project = {"id": "p", "name": variables["project"],
                           "entity": {"id": "e", "name": variables["entity"] or "me"}}  # fmt: skip
                bucket = {"id": "b", "name": variables["name"], "historyLineCount": 0,
                          "displayName": variables["displayName"], "project": project}  # fmt: skip
                return {"upsertBucket": {"bucket": bucket, "inserted": True}}
            case "CreateRunFiles":
                files = [{"name": name, "uploadUrl": f"{at}/{variables['run']}/{name}"}
                         for name in variables["files"]]  # fmt: skip
                return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
            case "CreateArtifact":
                name = variables["input"]["artifactCollectionName"]
                artifact = {"id": name, "state": "PENDING",
                            "artifactSequence": {"id": "s", "latestArtifact": None}}  # fmt: skip
                return {"createArtifact": {"artifact": artifact}}
            case "CreateArtifactManifest":
                file = {"id": "f", "name": "m", "displayName": "m", "uploadHeaders": [],
                        "uploadUrl": f"{at}/manifest/{variables['artifactID']}"}  # fmt: skip
                return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": file}}}
            case "CreateArtifactFiles":
                edges = [
                    {"node": {"id": "x", "name": one["name"], "displayName": one["name"],
                              "uploadUrl": f"{at}/artifact/{one['artifactID']}/{one['name']}",
                              "uploadHeaders": [], "storagePath": "x",
                              "artifact": {"id": one["artifactID"]}}}
                    for one in variables["input"]["artifactFiles"]
                ]  # fmt: skip
                return {"createArtifactFiles": {"files": {"edges": edges}}}
            case "CommitArtifact":
                id_ = variables["artifactID"]
                return {"commitArtifact": {"artifact": {"id": id_, "digest": "d"}}}
            case "ProjectInternalId":
                return {"project": {"id": "p", "internalId": "cDox", "name": "proj"}}
            case "GetProjects":
                page = {"endCursor": None, "hasNextPage": False}
                return {"models": {"edges": [], "pageInfo": page}}
            case "CreateProject":
                model = {"id": "p", "name": variables["input"]["name"], "entityName": "me",
                         "createdAt": "", "isBenchmark": False}  # fmt: skip
                return {"upsertModel": {"inserted": True, "model": model, "project": model}}
            case "UpsertView2" | "upsertView" | "UpsertView":
                view = {"id": "v", "name": variables["name"], "type": variables.get("type"),
                        "displayName": variables.get("displayName"), "description": "",
                        "project": {"id": "p", "name": variables.get("projectName"),
                                    "entityName": variables.get("entityName")},
                        "spec": variables.get("spec"),
                        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
                        "user": {"username": "me", "name": "me", "userInfo": None}}  # fmt: skip
                return {"upsertView": {"view": view, "inserted": True}}
        return {}


@contextmanager
def serving(**how):
    """A server in a thread of this process."""
    stub = Stub(**how)
    thread = Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.over.set()
        stub.shutdown()
        stub.server_close()
        thread.join()
