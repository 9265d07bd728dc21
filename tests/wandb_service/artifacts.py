"""The part of the schema that is about artifacts."""

import json
from base64 import b64decode
from typing import Any

from .graphql import Node, RefusedError, connection, only
from .state import Artifact, Run, State


class ArtifactSchema:
    """Queries and mutations about artifacts."""

    def __init__(self, state: State, base_url: str) -> None:
        self.state, self.base_url = state, base_url

    def url(self, *parts: str) -> str:
        """A place in the storage, to which bytes are put and from which they are read."""
        return "/".join((self.base_url, "storage", *parts))

    def run_node(self, run: Run) -> Node:
        raise NotImplementedError

    def project_node(self, entity: str, name: str) -> Node:
        raise NotImplementedError

    def artifact_queries(self) -> dict[str, Any]:
        return {
            # Read by wandb/sdk/artifacts/artifact.py (Artifact.wait; the manifest), wandb-core (ArtifactManifest)
            "artifact": self.by_id,
            # Read by wandb-core (ClientIDMapping), for a reference to an artifact of the same process
            "clientIDMapping": lambda client_id: (
                Node("Mapping", {"serverID": self.state.clients[client_id]})
                if client_id in self.state.clients
                else None
            ),
        }

    def artifact_mutations(self) -> dict[str, Any]:
        return {
            # Read by wandb-core's artifact saver, in this order
            "createArtifact": self.create,
            "createArtifactManifest": self.create_manifest,
            "createArtifactFiles": self.create_files,
            "updateArtifactManifest": self.update_manifest,
            "commitArtifact": self.commit,
            # Read by wandb/sdk/artifacts/artifact.py (Artifact.save of one that is logged already)
            "addAliases": self.add_aliases,
            "deleteAliases": self.delete_aliases,
            "updateArtifact": self.update,
            # Read by wandb/sdk/artifacts/artifact.py (Artifact.delete)
            "deleteArtifact": self.delete,
            # Read by wandb/sdk/wandb_run.py (Run.use_artifact)
            "useArtifact": lambda artifact_id, **_: Node(
                "Payload", {"artifact": self.artifact_node(self.state.artifacts[artifact_id])}
            ),
        }

    def project_artifacts(self, entity: str, project: str) -> dict[str, Any]:
        """Fields of a project."""

        def typed(name: str) -> Node | None:
            held = [
                a
                for a in self.state.artifacts.values()
                if (a.entity, a.project, a.type) == (entity, project, name)
            ]
            if not held:
                return None
            collection = lambda name: self.collection_node(entity, project, name)  # noqa: E731 - a resolver
            return Node(
                "ArtifactType", {"id": f"type-{name}", "name": name, "artifactCollection": collection}
            )

        return {
            # Read by wandb/apis/public (Api.artifacts), wandb-core (FetchArtifactDigestAlgorithm)
            "artifactType": typed,
            # Read by wandb/sdk/artifacts/artifact.py (download)
            "artifactCollection": lambda name: self.collection_node(entity, project, name),
            # Read by wandb/sdk/wandb_run.py (Run.log_artifact: is the type the collection's?)
            # and by earlier versions for Api.artifact and Api.artifact_exists
            "artifact": lambda name, **unused: self.artifact(entity, project, name, unused),
            # Read by wandb/sdk/artifacts/artifact.py (Artifact._from_name: Api.artifact, Api.artifact_exists)
            "artifactCollectionMembership": lambda name: self.membership(
                entity, project, *name.rsplit(":", 1)
            ),
        }

    def versions(self, entity: str, project: str, collection: str) -> list[Artifact]:
        """The committed versions of a collection, newest first."""
        place = (entity, project, collection)
        held = [a for a in self.state.artifacts.values() if (a.entity, a.project, a.collection) == place]
        return sorted((a for a in held if a.state == "COMMITTED"), key=lambda a: -a.version)

    def named(self, entity: str, project: str, collection: str, alias: str) -> Artifact | None:
        versions = self.versions(entity, project, collection)
        return next((a for a in versions if alias in (f"v{a.version}", *a.aliases)), None)

    def by_id(self, id: str) -> Node | None:  # noqa: A002 - the field's name
        return self.artifact_node(self.state.artifacts[id]) if id in self.state.artifacts else None

    def artifact(self, entity: str, project: str, name: str, unused: dict[str, Any]) -> Node | None:
        only(unused, "enable_tracking")
        found = self.named(entity, project, *name.rsplit(":", 1))
        return self.artifact_node(found) if found else None

    def first(self, entity: str, project: str, collection: str) -> Artifact | None:
        """The version that began a collection, whatever became of it."""
        place = (entity, project, collection)
        held = (a for a in self.state.artifacts.values() if (a.entity, a.project, a.collection) == place)
        return next(held, None)

    def collection_node(self, entity: str, project: str, name: str) -> Node | None:
        if self.first(entity, project, name) is None:
            return None

        def listed(
            after: str | None = None, first: int = 50, order: str | None = None, filters: str | None = None
        ) -> Node:
            versions = self.versions(entity, project, name)[:first]
            nodes = [self.artifact_node(a) for a in versions]
            return connection(nodes, extra=[{"version": f"v{a.version}"} for a in versions])

        return Node(
            "ArtifactSequence",
            {
                "id": f"collection-{entity}-{project}-{name}",
                "name": name,
                # Read by wandb/apis/public (Api.artifact_collection_exists)
                "description": None,
                "createdAt": self.first(entity, project, name).created_at,
                "updatedAt": self.first(entity, project, name).created_at,
                "tags": connection([]),
                "defaultArtifactType": Node("ArtifactType", {"name": self.first(entity, project, name).type}),
                "digestAlgorithm": "MANIFEST_MD5",
                "project": lambda: self.project_node(entity, project),
                "artifacts": listed,
                "latestArtifact": lambda: next(
                    (self.artifact_node(a) for a in self.versions(entity, project, name)), None
                ),
                "artifactMembership": lambda alias_name: self.membership(entity, project, name, alias_name),
            },
            interfaces=("ArtifactCollection",),
        )

    def membership(self, entity: str, project: str, collection: str, alias: str = "latest") -> Node | None:
        artifact = self.named(entity, project, collection, alias)
        if artifact is None:
            return None
        return Node(
            "ArtifactCollectionMembership",
            {
                "id": f"membership-{artifact.id}",
                "versionIndex": artifact.version,
                "createdAt": artifact.created_at,
                "aliases": self.alias_nodes(artifact),
                "artifactCollection": self.collection_node(entity, project, collection),
                "artifact": self.artifact_node(artifact),
                "files": lambda names=None, **_: self.files(artifact, names),
            },
        )

    def alias_nodes(self, artifact: Artifact) -> list[Node]:
        return [
            Node(
                "ArtifactAlias",
                {
                    "id": f"alias-{artifact.id}-{alias}",
                    "alias": alias,
                    "artifactCollection": lambda: self.collection_node(
                        artifact.entity, artifact.project, artifact.collection
                    ),
                },
            )
            for alias in artifact.aliases
        ]

    def entries(self, artifact: Artifact) -> dict[str, dict[str, Any]]:
        raise NotImplementedError

    def files(self, artifact: Artifact, names: list[str] | None) -> Node:
        nodes = []
        for name, entry in self.entries(artifact).items():
            if names is None or name in names:
                url = self.url("content", b64decode(entry["digest"]).hex())
                fields = {
                    "id": f"{artifact.id}-{name}",
                    "name": name,
                    "displayName": name,
                    "directUrl": url,
                    "url": url,
                }
                fields |= {"sizeBytes": entry["size"], "md5": entry["digest"], "digest": entry["digest"]}
                fields |= {"storagePath": None, "mimetype": None, "updatedAt": artifact.created_at}
                nodes.append(Node("File", fields))
        return connection(nodes)

    def artifact_node(self, artifact: Artifact) -> Node:
        entries = self.entries(artifact)
        run = next((r for r in self.state.runs.values() if r.storage_id == artifact.run), None)
        return Node(
            "Artifact",
            {
                "id": artifact.id,
                "state": artifact.state,
                "digest": artifact.digest,
                "digestAlgorithm": "MANIFEST_MD5",
                "artifactSequence": lambda: self.collection_node(
                    artifact.entity, artifact.project, artifact.collection
                ),
                "versionIndex": artifact.version,
                "artifactType": Node("ArtifactType", {"id": f"type-{artifact.type}", "name": artifact.type}),
                "description": artifact.description,
                "metadata": json.dumps(artifact.metadata),
                "ttlDurationSeconds": -2,
                "ttlIsInherited": True,
                "tags": [],
                "historyStep": artifact.step,
                "size": sum(entry["size"] for entry in entries.values()),
                "commitHash": f"commit-{artifact.id}",
                "fileCount": len(entries),
                "createdAt": artifact.created_at,
                "updatedAt": artifact.created_at,
                "aliases": self.alias_nodes(artifact),
                # Read by earlier versions' Artifact.download
                "files": lambda names=None, **_: self.files(artifact, names),
                "createdBy": self.run_node(run) if run else None,
                "currentManifest": Node(
                    "ArtifactManifest", {"id": artifact.manifest, "file": self.manifest_file(artifact)}
                ),
            },
        )

    def manifest_file(self, artifact: Artifact) -> Node:
        url = self.url("manifests", artifact.manifest or "")
        fields = {"id": artifact.manifest, "directUrl": url, "uploadUrl": url, "uploadHeaders": []}
        return Node("File", fields)

    def create(
        self,
        entity_name: str,
        project_name: str,
        artifact_type_name: str,
        digest: str,
        artifact_collection_name: str | None = None,
        artifact_collection_names: list[str] | None = None,
        run_name: str | None = None,
        aliases: list[dict[str, str]] | None = None,
        metadata: str | None = None,
        description: str | None = None,
        client_id: str | None = None,
        history_step: int | None = None,
        **unused: Any,
    ) -> Node:
        only(unused, "digest_algorithm", "enable_digest_deduplication", "sequence_client_id")
        collection = artifact_collection_name or (artifact_collection_names or [""])[0]
        wanted = [a["alias"] for a in aliases or []]
        versions = self.versions(entity_name, project_name, collection)
        artifact = next((a for a in versions if a.digest == digest), None)
        if artifact is None:
            run = self.state.runs.get((entity_name, project_name, run_name or ""))
            taken = [
                a.version
                for a in self.state.artifacts.values()
                if (a.entity, a.project, a.collection) == (entity_name, project_name, collection)
            ]
            artifact = Artifact(
                self.state.new_id("artifact"),
                entity_name,
                project_name,
                collection,
                artifact_type_name,
                digest,
                max(taken, default=-1) + 1,
                run=run.storage_id if run else None,
                description=description,
                metadata=json.loads(metadata or "{}"),
                step=history_step,
                wanted=wanted,
            )
            self.state.artifacts[artifact.id] = artifact
        else:
            # Equal bytes are the version that is there: it gets the new aliases.
            self.name(artifact, wanted)
        if client_id:
            self.state.clients[client_id] = artifact.id
        return Node("CreateArtifactPayload", {"artifact": self.artifact_node(artifact)})

    def name(self, artifact: Artifact, aliases: list[str]) -> None:
        """Give aliases to a version and take them from the others."""
        for other in self.versions(artifact.entity, artifact.project, artifact.collection):
            other.aliases = [a for a in other.aliases if a not in aliases]
        artifact.aliases = [*artifact.aliases, *(a for a in aliases if a not in artifact.aliases)]

    def create_manifest(self, artifact_id: str, **unused: Any) -> Node:
        only(unused, "name", "digest", "entity_name", "project_name", "run_name", "type", "base_artifact_id")
        artifact = self.state.artifacts[artifact_id]
        artifact.manifest = self.state.new_id("manifest")
        fields = {"id": artifact.manifest, "file": self.manifest_file(artifact)}
        return Node("Payload", {"artifactManifest": Node("ArtifactManifest", fields)})

    def update_manifest(self, artifact_manifest_id: str, **unused: Any) -> Node:
        only(unused, "digest", "base_artifact_id")
        artifact = next(a for a in self.state.artifacts.values() if a.manifest == artifact_manifest_id)
        fields = {"id": artifact.manifest, "file": self.manifest_file(artifact)}
        return Node("Payload", {"artifactManifest": Node("ArtifactManifest", fields)})

    def has_content(self, md5: str) -> bool:
        raise NotImplementedError

    def create_files(self, artifact_files: list[dict[str, Any]], **unused: Any) -> Node:
        only(unused, "storage_layout")
        nodes = []
        for wanted in artifact_files:
            md5 = b64decode(wanted["md5"]).hex()
            fields = {
                "storagePath": f"content/{md5}",
                # No address: the bytes are there already and are not sent again.
                "uploadUrl": None if self.has_content(md5) else self.url("content", md5),
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": self.artifact_node(self.state.artifacts[wanted["artifactID"]]),
            }
            nodes.append(Node("File", fields))
        return Node("Payload", {"files": connection(nodes)})

    def commit(self, artifact_id: str) -> Node:
        artifact = self.state.artifacts[artifact_id]
        artifact.state = "COMMITTED"
        self.name(artifact, list(dict.fromkeys(["latest", *artifact.wanted])))
        return Node("Payload", {"artifact": self.artifact_node(artifact)})

    def add_aliases(self, artifact_id: str, aliases: list[dict[str, str]]) -> Node:
        self.name(self.state.artifacts[artifact_id], [a["alias"] for a in aliases])
        return Node("Payload", {"success": True})

    def delete_aliases(self, artifact_id: str, aliases: list[dict[str, str]]) -> Node:
        artifact = self.state.artifacts[artifact_id]
        gone = {a["alias"] for a in aliases}
        artifact.aliases = [a for a in artifact.aliases if a not in gone]
        return Node("Payload", {"success": True})

    def update(
        self, artifact_id: str, metadata: str | None = None, description: str | None = None, **unused: Any
    ) -> Node:
        only(unused, "ttl_duration_seconds", "tags_to_add", "tags_to_delete", "aliases")
        artifact = self.state.artifacts[artifact_id]
        if metadata is not None:
            artifact.metadata = json.loads(metadata)
        artifact.description = description if description is not None else artifact.description
        return Node("Payload", {"artifact": self.artifact_node(artifact)})

    def delete(self, artifact_id: str, delete_aliases: bool = False) -> Node:
        artifact = self.state.artifacts[artifact_id]
        if artifact.aliases and not delete_aliases:
            raise RefusedError(400, "cannot delete an artifact version that has aliases")
        # The collection stays, also without versions, and no number is given twice.
        artifact.state, artifact.aliases = "DELETED", []
        return Node("Payload", {"artifact": self.artifact_node(artifact)})
