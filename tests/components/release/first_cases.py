"""Changes to an evaluation for the gate: a first champion that has another fault."""

from tests.components.release.gate_cases import (
    Case,
    beaten_by_neighbours,
    data_at_fault,
    drift_not_computable,
    few_users,
    first,
    one_list_for_all,
    slow,
    tied_with_popularity,
    training_unfinished,
)


def first_but_tied(case: Case) -> None:
    first(case)
    tied_with_popularity(case)


def first_of_few_but_beaten(case: Case) -> None:
    first_of_few(case)
    case.values["neighbours"] = case.values["ease"] + 0.1


def first_with_training_unfinished(case: Case) -> None:
    first(case)
    training_unfinished(case)


def first_but_beaten(case: Case) -> None:
    first(case)
    beaten_by_neighbours(case)


def first_of_few(case: Case) -> None:
    few_users(case)
    first(case)


def first_but_slow(case: Case) -> None:
    first(case)
    slow(case)


def first_but_one_list(case: Case) -> None:
    first(case)
    one_list_for_all(case)


def first_without_drift(case: Case) -> None:
    first(case)
    drift_not_computable(case)


def first_with_data_at_fault(case: Case) -> None:
    first(case)
    data_at_fault(case)
