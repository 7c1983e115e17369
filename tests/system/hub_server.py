"""A hub on loopback: as much of the Hugging Face hub's protocol as a fetch uses, with its refusals and with faults on demand.

The kept package for such a thing, olah, mirrors a hub that it must reach, and neither gates repositories nor fails on demand.
"""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)/(auth-check|revision|tree)(?:/([^/]+)(?:/(.+))?)?")
FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
LARGE = (".safetensors", ".parquet", ".bin")


class Hub:
    """Repositories by (kind, name), all requests seen, and what is to go wrong.

    Large files lie on a second port, to which the first one redirects, as the hub does to its content network.
    """

    def __init__(self):
        self.repositories, self.members, self.strangers, self.seen, self.faults = {}, set(), set(), [], []
        self.released = threading.Event()
        self.servers = [_Server(self, _Handler), _Server(self, _ContentHandler)]
        self.url, self.content_url = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)

    def environment(self, home):
        """The variables with which a program fetches from here, and keeps what it fetched in the folder `home`."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}

    def add(self, kind, name, files, gated=False):
        """A repository with one commit, on branch main; returns the commit."""
        commit = hashlib.sha1(b"".join(path.encode() + content for path, content in sorted(files.items()))).hexdigest()
        self.repositories[kind, name] = {"files": files, "commit": commit, "gated": gated}
        return commit

    def fail(self, path, fault, times=1):
        """Let the next requests whose path holds `path` go wrong: `fault(handler, content)` answers instead."""
        self.faults += [(path, fault)] * times

    def requests(self, path=""):
        return [request for request in self.seen if path in request["path"]]

    def close(self):
        self.released.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()


# ------------------------------------------------------------------ faults


def status(code, **headers):
    def fault(handler, content):
        handler.answer(code, b"not now", headers)

    return fault


def cut(after):
    """The connection ends after so many bytes."""

    def fault(handler, content):
        handler.answer(200, content, after=after)

    return fault


def stall(after):
    """Nothing comes after so many bytes, until the hub is released."""

    def fault(handler, content):
        more = {"Content-Length": str(len(content) + 1)}  # than nothing, which is all that there is of an answer not yet made
        handler.answer(200, content, more, after=after, then=handler.hub.released.wait)

    return fault


def corrupt(handler, content):
    """As many bytes, one of them wrong."""
    handler.answer(200, bytes([content[0] ^ 1]) + content[1:])


def no_ranges(handler, content):
    """The whole file, whatever part of it was asked for."""
    handler.answer(200, content)


def portal(handler, content):
    """A page to log in at, as networks of hotels show it."""
    handler.answer(200, b"<html>Welcome to our network</html>", {"Content-Type": "text/html"})


# ------------------------------------------------------------------ the servers


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.hub = hub
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.seen.append(
            {
                "method": self.command,
                "path": path,
                "range": self.headers["Range"],
                "authorization": self.headers["Authorization"],
                "port": self.server.server_port,
            }
        )
        for position, (part, fault) in enumerate(self.hub.faults):
            if part in path:
                del self.hub.faults[position]
                return fault(self, self.content(path))
        return self.route(path)

    def content(self, path):
        match = FILE.fullmatch(path)
        return self.hub.repositories[match[1] or "models", match[2]]["files"][match[4]] if match else b""

    def route(self, path):
        if match := API.fullmatch(path):
            kind, name, what, revision, folder = match.groups()
        elif match := FILE.fullmatch(path):
            kind, name, revision, what = match[1] or "models", match[2], match[3], "file"
        else:
            return self.refuse(404, None, "Not found")
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        repository = self.hub.repositories.get((kind, name))
        if token and token not in self.hub.members | self.hub.strangers:
            return self.refuse(401, None, "Invalid credentials in Authorization header")
        if repository is None:
            return self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        if repository["gated"] and what in ("auth-check", "file") and token not in self.hub.members:
            return self.refuse(403 if token else 401, "GatedRepo", f"Access to {name} is restricted")
        if revision not in (None, "main", repository["commit"]):
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if what == "file":
            return self.file(repository, match[4])
        files = repository["files"]
        if what == "revision":
            answer = {"id": name, "sha": repository["commit"], "siblings": [{"rfilename": path} for path in files]}
        elif what == "tree":
            answer = _tree(files, folder, "recursive=true" in self.path.lower())
        else:
            answer = {}
        return self.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def file(self, repository, path):
        content = repository["files"].get(path)
        if content is None:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        entry, headers = _entry(path, content), {"X-Repo-Commit": repository["commit"]}
        if "lfs" not in entry:
            return self.ranged(content, headers | {"ETag": f'"{entry["oid"]}"'})
        headers |= {"Location": f"{self.hub.content_url}/{entry['lfs']['oid']}/{path}", "X-Linked-Size": str(len(content))}
        return self.answer(302, b"", headers | {"X-Linked-ETag": f'"{entry["lfs"]["oid"]}"'})

    def ranged(self, content, headers):
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or ""):
            start = int(match[1])
            if start >= len(content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers = headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return self.answer(206, content[start:], headers)
        return self.answer(200, content, headers)

    def refuse(self, code, error, message):
        self.answer(
            code, json.dumps({"error": message}).encode(), {"X-Error-Message": message} | ({"X-Error-Code": error} if error else {})
        )

    def answer(self, code, content, headers=None, after=None, then=None):
        """Answer; with `after` only so many bytes of the content, and `then` is called before the connection ends."""
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:after])
        if after is not None:
            self.wfile.flush()
            (then or bool)()
            self.close_connection = True


class _ContentHandler(_Handler):
    """Large files by checksum, for whoever knows the address."""

    def content(self, path):
        files = (repository["files"] for repository in self.hub.repositories.values())
        return next(content for own in files for name, content in own.items() if path == f"/{hashlib.sha256(content).hexdigest()}/{name}")

    def route(self, path):
        self.ranged(self.content(path), {})


def _entry(path, content):
    """A file as the hub lists it: large ones with the checksum of their content, all with that of their git object."""
    large = path.endswith(LARGE)
    checksum = hashlib.sha256(content).hexdigest()
    stored = f"version https://git-lfs.github.com/spec/v1\noid sha256:{checksum}\nsize {len(content)}\n".encode() if large else content
    entry = {"type": "file", "path": path, "size": len(content)}
    entry["oid"] = hashlib.sha1(b"blob %d\0" % len(stored) + stored).hexdigest()
    return entry | ({"lfs": {"oid": checksum, "size": len(content), "pointerSize": len(stored)}} if large else {})


def _tree(files, folder, recursive):
    """Entries of the files and folders in `folder`, as the hub lists them."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    entries = [_entry(path, content) for path, content in files.items()]
    entries += [{"type": "directory", "path": path, "oid": hashlib.sha1(path.encode()).hexdigest(), "size": 0} for path in sorted(folders)]
    parents = {entry["path"]: PurePosixPath(entry["path"]).parents for entry in entries}
    place = PurePosixPath(folder or ".")
    return [entry for entry in entries if parents[entry["path"]][0] == place or recursive and place in parents[entry["path"]]]
