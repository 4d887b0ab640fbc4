"""Typed parameters: bounds, defaults of what a shop does not tune, and reading of params.yaml with overlays."""

from components.params.applications import AdsParams, InventoryParams, MarketingParams
from components.params.base import Count, EventName, LearningRate, ModelName, Positive, Section, Share, Size
from components.params.data import DataParams, LookupParams, ProfilesParams, ShopParams, SourceParams, SplitParams
from components.params.federated import FederatedParams, LocalPart
from components.params.language import CompressParams, LanguageParams, PretrainParams, SentimentParams
from components.params.loading import check, layers, load, merge, names_as_of, paths, with_defaults
from components.params.models import (
    AlsParams,
    BuyAgainParams,
    ContentParams,
    EaseParams,
    HybridParams,
    InterestsParams,
    ModelsParams,
    NeighboursParams,
    PopularityParams,
    RecommendParams,
    SequenceParams,
    TfidfParams,
    TransitionsParams,
)
from components.params.monitoring import DataChecksParams, MonitorParams
from components.params.privacy import PERSONAL_DATA, PURPOSES, ConsentPurpose, PersonalData, PrivacyParams
from components.params.release import (
    DriftParams,
    EvaluationParams,
    FlowsParams,
    GateParams,
    HistoryParams,
    RefreshParams,
    ReleaseParams,
)
from components.params.renamed import RENAMED
from components.params.root import Params, section_of
from components.params.selection import BlendParams, SearchWeightsParams, SelectionParams
from components.params.serving import (
    AnnParams,
    ChallengerParams,
    ExperimentsParams,
    ExposureParams,
    SearchParams,
    ServingParams,
)
from components.params.training import RankingParams, TrainerParams
from components.params.tuning import SearchRange, TuneParams

__all__ = [
    "PERSONAL_DATA",
    "PURPOSES",
    "RENAMED",
    "AdsParams",
    "AlsParams",
    "AnnParams",
    "BlendParams",
    "BuyAgainParams",
    "ChallengerParams",
    "CompressParams",
    "ConsentPurpose",
    "ContentParams",
    "Count",
    "DataChecksParams",
    "DataParams",
    "DriftParams",
    "EaseParams",
    "EvaluationParams",
    "EventName",
    "ExperimentsParams",
    "ExposureParams",
    "FederatedParams",
    "FlowsParams",
    "GateParams",
    "HistoryParams",
    "HybridParams",
    "InterestsParams",
    "InventoryParams",
    "LanguageParams",
    "LearningRate",
    "LocalPart",
    "LookupParams",
    "MarketingParams",
    "ModelName",
    "ModelsParams",
    "MonitorParams",
    "NeighboursParams",
    "Params",
    "PersonalData",
    "PopularityParams",
    "Positive",
    "PretrainParams",
    "PrivacyParams",
    "ProfilesParams",
    "RankingParams",
    "RecommendParams",
    "RefreshParams",
    "ReleaseParams",
    "SearchParams",
    "SearchRange",
    "SearchWeightsParams",
    "Section",
    "SelectionParams",
    "SentimentParams",
    "SequenceParams",
    "ServingParams",
    "Share",
    "ShopParams",
    "Size",
    "SourceParams",
    "SplitParams",
    "TfidfParams",
    "TrainerParams",
    "TransitionsParams",
    "TuneParams",
    "check",
    "layers",
    "load",
    "merge",
    "names_as_of",
    "paths",
    "section_of",
    "with_defaults",
]
