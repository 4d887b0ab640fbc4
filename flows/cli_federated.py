"""`carousel federated VERB`: learning with other shops, without pooling events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows import startup
from flows.options import Files, Json, Sets

MembersFile = Annotated[
    Path, typer.Option("--members", resolve_path=True, help="YAML file with a line NAME: PUBLIC KEY for each member")
]
Split = Annotated[Path, typer.Option("--split", resolve_path=True, help="Output folder of the stage `split`")]
Out = Annotated[Path, typer.Option("--out", resolve_path=True, help="Folder for the learned models")]

federated = typer.Typer(help="Learn with other shops: secure sums and federated averaging")


@federated.command("key", epilog="Example: carousel federated key identity.pem")
def make_key(
    path: Annotated[Path, typer.Argument(metavar="FILE", resolve_path=True, help="New file for the private key")],
    json: Json = False,
) -> None:
    """Write an identity key, and print its public key for the list of members."""
    startup.prepare()
    from components.federated.keys import write_identity
    from flows import terminal

    terminal.show({"public_key": write_identity(path)}, json)


@federated.command("coordinate", epilog="Example: carousel federated coordinate --members members.yaml --port 8470")
def coordinate(
    members: MembersFile,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one")] = 8470,
    split: Split = Path("data/split"),
    features: Annotated[
        Path, typer.Option("--features", resolve_path=True, help="Output folder of the stage `encode`")
    ] = Path("features"),
    out: Out = Path("models/federated"),
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Coordinate one run over the catalogue of this checkout; its events are not read."""
    workspace = startup.open_workspace(files, sets)
    from flows import federated as work
    from flows import terminal

    terminal.show(work.coordinate(workspace.params, members, split, features, (host, port), out), json)


@federated.command(
    "join", epilog="Example: carousel federated join https://coordinator.example north --key identity.pem --members "
    "members.yaml"
)  # fmt: skip
def join(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="URL of the coordinator")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of this member in the list")],
    key: Annotated[Path, typer.Option("--key", resolve_path=True, help="File of this member's identity key")],
    members: MembersFile,
    split: Split = Path("data/split"),
    out: Out = Path("models/federated"),
    sets: Sets = None,
    files: Files = None,
    json: Json = False,
) -> None:
    """Take part in one run with this shop's training events, which stay on this machine."""
    workspace = startup.open_workspace(files, sets)
    from flows import federated as work
    from flows import terminal

    terminal.show(work.join(workspace.params, name, address, key, members, split, out), json)
