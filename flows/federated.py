"""What `carousel federated` does: keys, the coordinator of a run, and its members."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.data.tables import read_catalogue, read_info, read_interactions
from components.errors import ContractError
from components.federated.coordinator import Coordinator
from components.federated.hub import Hub, serving_hub
from components.federated.keys import Members, parse_members, read_identity
from components.federated.member import Member
from components.federated.member_client import MemberClient
from components.params import Params
from components.private import make_folder


def read_members(path: Path) -> Members:
    """Return the public keys by name of a YAML file; raises ContractError."""
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ContractError(f"{path}: cannot be read ({error}); expected a line `NAME: PUBLIC KEY` a member") from None
    if not isinstance(listed, Mapping):
        raise ContractError(f"{path}: expected a line `NAME: PUBLIC KEY` for each member")
    return parse_members({str(name): str(key) for name, key in listed.items()})


def coordinate(
    params: Params, members_file: Path, split: Path, features: Path, address: tuple[str, int], out: Path
) -> dict[str, Any]:
    """Run a federation with the members that come; return one line a sum, and where the models are.

    Raises ContractError where the file has fewer members than federated.min_clients: no sum of theirs would be allowed.
    """
    members, settings = read_members(members_file), params.federated
    if len(members) < settings.min_clients:
        raise ContractError(
            f"{members_file}: expected federated.min_clients {settings.min_clients} members or more, got "
            f"{len(members)}; add their keys, or lower it: the fewer members, the more a sum tells of each"
        )
    hub = Hub(members, settings.deadline_s, settings.max_message_mb * 2**20)
    catalogue, now = read_catalogue(split, features), read_info(split).fit_end
    make_folder(out)
    with serving_hub(hub, *address):
        hub.wait_for_members(len(members), settings.wait_s)
        models = Coordinator(hub, params, catalogue, now, secrets.token_hex(8)).learn()
    models.save(out)
    return {"models": str(out), "sums": [report.model_dump(mode="json") for report in models.reports]}


def join(
    params: Params, name: str, address: str, key: Path, members_file: Path, split: Path, out: Path
) -> dict[str, Any]:
    """Take part in one run with the events of the split; return where the model is."""
    members, identity = read_members(members_file), read_identity(key)
    if name not in members or members[name] != identity.public_key():
        raise ContractError(f"{members_file}: expected the public key of {key} under the name {name!r}")
    make_folder(out)
    member = Member(name, identity, members, params, (read_interactions(split), read_catalogue(split)), out)
    MemberClient(address, name, identity, params.federated.wait_s).work(member)
    return {"run": member.run, "models": str(out)}
