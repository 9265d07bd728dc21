"""The part of the schema that is about users, projects and runs."""

import json
import math
from typing import Any

from .artifacts import ArtifactSchema
from .graphql import Node, RefusedError, UnknownFieldError, connection, only
from .state import Run, now


def readable(value: Any) -> Any:
    """The value as the service shows it: what JSON lacks is a word."""
    if isinstance(value, dict):
        return {key: readable(part) for key, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def matches(run: Run, wanted: dict[str, Any]) -> bool:
    """The filters that a tracker uses, in the client's MongoDB style (``Api.runs(filters=...)``)."""
    for key, value in wanted.items():
        if key == "$and":
            found = all(matches(run, part) for part in value)
        elif key == "$or":
            found = any(matches(run, part) for part in value)
        elif key.startswith("config."):
            held = run.config.get(key.split(".")[1], {})
            found = held.get("value") == value
        elif key in ("display_name", "displayName"):
            found = run.display_name == value
        elif key == "name":
            found = run.name == value
        else:
            raise UnknownFieldError(f"filter: {key}")
        if not found:
            return False
    return True


class RunSchema(ArtifactSchema):
    """Queries and mutations about runs."""

    def roots(self) -> dict[str, Node]:
        return {
            "query": Node("Query", {**self.run_queries(), **self.artifact_queries()}),
            "mutation": Node("Mutation", {**self.run_mutations(), **self.artifact_mutations()}),
        }

    def run_queries(self) -> dict[str, Any]:
        return {
            # Read by wandb-core's credentials check and wandb/apis/public/api.py (Api.viewer, Api.default_entity)
            "viewer": self.viewer,
            # Read by wandb-core's feature checker; every feature that is not named counts as off
            "serverInfo": lambda: Node("ServerInfo", {"features": []}),
            # Read by wandb-core (RunResumeStatus), before a run is started or resumed
            "model": lambda name, entity_name=None: self.project(name, entity_name, make=True),
            # Read by wandb/apis/public (Api.run, Api.runs, Api.artifact), wandb-core (history pages)
            "project": lambda name, entity_name=None: self.project(name, entity_name),
            "entity": self.entity,
        }

    def run_mutations(self) -> dict[str, Any]:
        return {
            # Read by wandb-core's run upserter: what init reads its run from
            "upsertBucket": self.upsert,
            # Read by wandb-core (RewindRun), for init(resume_from=...)
            "rewindRun": self.rewind,
            # Read by wandb-core's file uploads (media, code, requirements)
            "createRunFiles": self.create_run_files,
            "markRunFilesUploaded": lambda **_: Node("Payload", {"success": True}),
            # Read by wandb/apis/public/runs.py (Run.delete)
            "deleteRun": self.delete_run,
        }

    def viewer(self) -> Node:
        teams = [Node("Team", {"name": name}) for name in sorted(self.state.entities - {self.state.user})]
        return Node(
            "User",
            {
                "id": "user-1",
                "entity": self.state.user,
                "username": self.state.user,
                "name": self.state.user,
                "email": self.state.email,
                "admin": False,
                "flags": json.dumps({"code_saving_enabled": False}),
                "deletedAt": None,
                "apiKeys": connection([]),
                "teams": connection(teams),
            },
        )

    def entity(self, name: str) -> Node | None:
        if name not in self.state.entities:
            return None
        return Node("Entity", {"id": f"entity-{name}", "name": name, "xxhashDigestsEnabled": False})

    def owner(self, entity: str | None) -> str:
        """The entity that a request is about, if it may be written."""
        name = entity or self.state.user
        if name not in self.state.entities:
            raise RefusedError(404, f"entity {name} not found during upsertBucket")
        if name in self.state.forbidden:
            raise RefusedError(403, "permission denied")
        return name

    def project(self, name: str | None, entity: str | None, *, make: bool = False) -> Node | None:
        owner = entity or self.state.user
        if owner not in self.state.entities:
            return None
        if (owner, name) not in self.state.projects and not make:
            return None
        if make and (owner, name) not in self.state.projects:
            return None
        return self.project_node(owner, name or "")

    def project_node(self, entity: str, name: str) -> Node:
        number = self.state.projects[entity, name]
        return Node(
            "Project",
            {
                "id": f"project-{number}",
                "internalId": str(number),
                "name": name,
                "readOnly": False,
                "entity": Node("Entity", {"id": f"entity-{entity}", "name": entity}),
                "bucket": lambda name, **_: self.bucket(entity, project=number, name=name),
                "run": lambda name: self.bucket(entity, project=number, name=name),
                "runCount": lambda filters="{}": len(self.runs_of(entity, number, filters)),
                "runs": lambda filters="{}", first=50, order=None, **_: connection(
                    [
                        self.run_node(run)
                        for run in self.ordered(self.runs_of(entity, number, filters), order)
                    ][:first]
                ),
                **self.project_artifacts(entity, name),
            },
        )

    def runs_of(self, entity: str, project: int, filters: str | None) -> list[Run]:
        wanted = json.loads(filters or "{}")
        held = [r for r in self.state.runs.values() if self.state.projects[r.entity, r.project] == project]
        return [run for run in held if run.entity == entity and matches(run, wanted)]

    def ordered(self, runs: list[Run], order: str | None) -> list[Run]:
        if (order or "+created_at").lstrip("+-") not in ("created_at", "createdAt"):
            raise UnknownFieldError(f"order: {order}")
        return sorted(runs, key=lambda r: (r.created_at, r.storage_id), reverse=(order or "").startswith("-"))

    def bucket(self, entity: str, project: int, name: str) -> Node | None:
        found = [r for r in self.runs_of(entity, project, "{}") if r.name == name]
        return self.run_node(found[0]) if found else None

    def run_node(self, run: Run) -> Node:
        number = self.state.projects[run.entity, run.project]
        history = run.lines.get("wandb-history.jsonl", [])
        events = run.lines.get("wandb-events.jsonl", [])
        return Node(
            "Run",
            {
                "id": run.storage_id,
                "name": run.name,
                "displayName": run.display_name,
                "description": "",
                "notes": run.notes,
                "tags": run.tags,
                "group": run.group,
                "jobType": run.job_type,
                "state": run.state,
                "sweepName": None,
                "commit": None,
                "readOnly": False,
                "createdAt": run.created_at,
                "heartbeatAt": run.heartbeat_at,
                "projectId": str(number),
                "project": lambda: self.project_node(run.entity, run.project),
                "user": Node("User", {"name": self.state.user, "username": self.state.user}),
                "config": json.dumps(run.config),
                # Read by wandb-core merges the telemetry of earlier lives
                "wandbConfig": lambda keys: json.dumps(
                    {k: run.config.get("_wandb", {}).get("value", {}).get(k) for k in keys}
                ),
                "summaryMetrics": json.dumps(readable(run.summary)),
                "systemMetrics": "{}",
                # Read by wandb-core (RunResumeStatus): where the file stream goes on, and the first step
                "historyLineCount": len(history),
                "eventsLineCount": len(events),
                "logLineCount": len(run.lines.get("output.log", [])),
                "historyTail": json.dumps(history[-1:]),
                "eventsTail": json.dumps(events[-1:]),
                # Read by wandb/apis/public/runs.py (Run.lastHistoryStep)
                "historyKeys": self.history_keys(run),
                # Read by wandb-core (HistoryPage, SampledHistoryPage), for Run.scan_history and Run.history
                "history": lambda min_step=0, max_step=2**62, samples=500: self.page(
                    run, min_step, max_step, samples
                ),
                "sampledHistory": lambda specs: [self.sampled(run, json.loads(spec)) for spec in specs],
                "parquetHistory": lambda **_: Node(
                    "ParquetHistory", {"parquetUrls": [], "liveData": [readable(row) for row in run.history]}
                ),
            },
        )

    def history_keys(self, run: Run) -> dict[str, Any]:
        rows = run.history
        keys = {key: {"typeCounts": []} for row in rows for key in row}
        return {"keys": keys, "sets": [], "lastStep": rows[-1]["_step"] if rows else -1}

    def page(self, run: Run, first: int, last: int, samples: int) -> list[str]:
        rows = [readable(row) for row in run.history if first <= row["_step"] < last]
        return [json.dumps(row) for row in rows[:samples]]

    def sampled(self, run: Run, spec: dict[str, Any]) -> list[dict[str, Any]]:
        keys = spec.get("keys")
        return [
            readable({key: row[key] for key in keys} if keys else row)
            for row in run.history
            if keys is None or all(key in row for key in keys)
        ]

    def upsert(
        self,
        id: str | None = None,  # noqa: A002 - the field's name
        name: str | None = None,
        model_name: str | None = None,
        entity_name: str | None = None,
        group_name: str | None = None,
        display_name: str | None = None,
        notes: str | None = None,
        config: str | None = None,
        job_type: str | None = None,
        state: str | None = None,
        tags: list[str] | None = None,
        summary_metrics: str | None = None,
        **unused: Any,
    ) -> Node:
        only(unused, "description", "commit", "host", "debug", "job_program", "job_repo", "sweep")
        run, inserted = self.run_by_id(id), False
        if run is None:
            run, inserted = self.start(self.owner(entity_name), model_name or "uncategorized", name or "")
        given = {
            "display_name": display_name,
            "notes": notes,
            "group": group_name,
            "job_type": job_type,
            "tags": tags,
        }
        for key, value in given.items():
            if value is not None:
                setattr(run, key, value)
        # The newest value of each key wins, and a key that is not sent stays.
        run.config |= json.loads(config or "{}")
        if summary_metrics is not None:
            run.summary = json.loads(summary_metrics)
        run.state = state or run.state
        run.display_name = run.display_name or run.name
        return Node("UpsertBucketPayload", {"bucket": self.run_node(run), "inserted": inserted})

    def run_by_id(self, storage_id: str | None) -> Run | None:
        return next((r for r in self.state.runs.values() if r.storage_id == storage_id), None)

    def start(self, entity: str, project: str, name: str) -> tuple[Run, bool]:
        key = (entity, project, name)
        if key in self.state.deleted:
            raise RefusedError(
                409, f"run {entity}/{project}/{name} was previously created and deleted; try a new run name"
            )
        self.state.projects.setdefault((entity, project), len(self.state.projects) + 1)
        inserted = key not in self.state.runs
        if inserted:
            self.state.runs[key] = Run(entity, project, name, self.state.new_id("run"))
        run = self.state.runs[key]
        run.heartbeat_at = now()
        if run.state not in ("running", "preempting"):
            run.state, run.preempting, run.exit_code = "running", False, None
        return run, inserted

    def rewind(self, run_name: str, metric_name: str, metric_value: float, **place: Any) -> Node:
        run = self.state.runs.get(
            (place.get("entity_name") or self.state.user, place["project_name"], run_name)
        )
        if not self.state.rewind or metric_name != "_step":
            raise RefusedError(400, "rewind is not enabled for this entity")
        if run is None:
            raise RefusedError(404, f"run {run_name} not found")
        lines = run.lines.get("wandb-history.jsonl", [])
        run.lines["wandb-history.jsonl"] = [
            line for line in lines if json.loads(line)["_step"] <= metric_value
        ]
        return Node("RewindRunPayload", {"rewoundRun": self.run_node(run)})

    def create_run_files(self, entity_name: str, project_name: str, run_name: str, files: list[str]) -> Node:
        run = self.state.runs[entity_name, project_name, run_name]
        nodes = [
            Node("File", {"name": name, "uploadUrl": self.url("run-files", run.storage_id, name)})
            for name in files
        ]
        return Node("CreateRunFilesPayload", {"runID": run.storage_id, "uploadHeaders": [], "files": nodes})

    def delete_run(self, id: str, **unused: Any) -> Node:  # noqa: A002 - the field's name
        only(unused, "delete_artifacts")
        run = self.run_by_id(id)
        if run is None:
            raise RefusedError(404, "run not found")
        del self.state.runs[run.entity, run.project, run.name]
        self.state.deleted.add((run.entity, run.project, run.name))
        return Node("DeleteRunPayload", {"clientMutationId": None})
