"""Print the comment for a pull request: verdict, reasons, metrics of all models. Arguments: outcome.json, checkout."""

import json
import sys
from pathlib import Path

from components.contracts import Evaluation
from flows import markdown
from flows.outcome import differences, metrics_table
from flows.workspace import EVALUATION


def main() -> None:
    """Print Markdown."""
    outcome = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    write = sys.stdout.write
    if "error" in outcome:
        write(f"## Carousel: the run failed\n\n{markdown.escaped(outcome['error'])}\n")
        return
    evaluation = Evaluation.model_validate_json((Path(sys.argv[2]) / EVALUATION).read_bytes())
    rows = metrics_table(evaluation)
    write(f"## Carousel: {markdown.escaped(outcome['verdict'].replace('_', ' '))}\n\n")
    write(markdown.bullets(outcome["reasons"]))
    shop = "Simulated shop" if evaluation.simulated else "Shop"
    write(f"\n{shop}, {evaluation.n_users} test users. The champion is the model that the base revision makes.\n\n")
    write(markdown.table(rows))
    write("\n**The challenger against the others**\n\n" + markdown.table(differences(evaluation)))
    write(f"\n{outcome['seconds']:.0f} s, {outcome['overhead_s']:.0f} s of it outside the stages.\n")


if __name__ == "__main__":
    main()
