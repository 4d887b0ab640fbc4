"""All sections: the typed view of params.yaml."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from components.params.applications import AdsParams, InventoryParams, MarketingParams
from components.params.base import Section
from components.params.data import DataParams, ProfilesParams, ShopParams, SplitParams
from components.params.federated import FederatedParams
from components.params.language import LanguageParams
from components.params.models import ModelsParams, RecommendParams
from components.params.monitoring import DataChecksParams, MonitorParams
from components.params.privacy import PrivacyParams
from components.params.release import (
    DriftParams,
    EvaluationParams,
    FlowsParams,
    GateParams,
    GcParams,
    HistoryParams,
    RefreshParams,
    ReleaseParams,
)
from components.params.selection import SelectionParams
from components.params.serving import AnnParams, ExperimentsParams, SearchParams, ServingParams
from components.params.training import RankingParams, TrainerParams
from components.params.tuning import TuneParams


class Params(Section):
    """All parameters."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    data: DataParams
    shop: ShopParams
    split: SplitParams
    profiles: ProfilesParams
    language: LanguageParams
    recommend: RecommendParams
    models: ModelsParams
    trainer: TrainerParams
    ranking: RankingParams
    tune: TuneParams
    evaluation: EvaluationParams
    drift: DriftParams
    data_checks: DataChecksParams = Field(default_factory=DataChecksParams)
    monitor: MonitorParams
    gate: GateParams
    refresh: RefreshParams
    history: HistoryParams
    release: ReleaseParams
    search: SearchParams
    ann: AnnParams = Field(default_factory=AnnParams)
    experiments: ExperimentsParams
    serving: ServingParams
    ads: AdsParams
    inventory: InventoryParams
    marketing: MarketingParams
    privacy: PrivacyParams = Field(default_factory=PrivacyParams)
    federated: FederatedParams = Field(default_factory=FederatedParams)
    gc: GcParams
    flows: FlowsParams
    selection: SelectionParams | None = Field(
        default=None, description="values that `carousel refresh` takes from the champion's recipe; null: a run selects"
    )

    @model_validator(mode="after")
    def space_is_within_bounds(self) -> "Params":
        """Require that tune.space names parameters of models and trainer, and that both ends of a range are valid."""
        for name, bounds in self.tune.space.items():
            section, leaf = section_of(self, name)
            searchable = name.startswith(("trainer.", "models.")) and not name.startswith("models.hybrid.")
            if not searchable or leaf not in type(section).model_fields:
                raise ValueError(f"tune.space: {name} is no parameter of trainer or of a model except the hybrid")
            for end in (bounds.low, bounds.high):
                try:
                    type(section).model_validate(section.model_dump() | {leaf: end})
                except ValidationError as error:
                    raise ValueError(f"tune.space: {name} cannot be {end:g}: {error.errors()[0]['msg']}") from None
        return self

    @model_validator(mode="after")
    def question_can_be_asked(self) -> "Params":
        """Require of gate.primary next_event what it needs: histories that grow in the window, and events."""
        if self.gate.primary == "next_event" and self.split.protocol == "leave_one_out":
            raise ValueError(
                "gate.primary next_event needs split.protocol global_time: with leave_one_out each user has one target "
                "in a window, before which no history grows"
            )
        if self.gate.primary == "next_event" and not self.evaluation.next_events:
            raise ValueError("gate.primary next_event needs evaluation.next_events of 1 or more; it is 0")
        return self


def section_of(params: Params, name: str) -> tuple[BaseModel, str]:
    """Return the section that holds "models.ease.l2", and the last part of the name; params where no section does."""
    *path, leaf = name.split(".")
    section: Any = params
    for part in path:
        section = getattr(section, part, None)
    return (section, leaf) if isinstance(section, BaseModel) else (params, name)
