"""Names and values together say what a column is; a name alone does not."""

from pathlib import Path

import pytest

from components.applications.advice.questions import Answers, OpenQuestionsError
from components.applications.advice.roles import choose, describe, find_roles
from tests.components.applications.advice import shops
from tests.components.applications.advice.support import looked_at


def test_the_columns_of_invoice_lines(tmp_path: Path) -> None:
    with looked_at(shops.month_files(tmp_path / "shop"), tmp_path) as (_, roles):
        (found,) = roles.values()
        wanted = {"user": "CustomerID", "item": "StockCode", "order": "InvoiceNo", "quantity": "Quantity"}
        wanted |= {"price": "UnitPrice", "title": "Description"}
        best = {role: found.best(role, 0.5) for role in wanted}
        assert {role: column.name for role, column in best.items() if column is not None} == wanted
        assert [c.column.name for c in found.candidates["time"]] == ["InvoiceDate"]
        assert found.candidates["description"] == []  # it is the title: there is no other


def test_a_name_whose_values_disagree_has_no_role(tmp_path: Path) -> None:
    rows = [f"{n},cheap,{n / 7:.3f},free text with many words {n}" for n in range(50)]
    shops.write(tmp_path / "shop/a.csv", "id,price,quantity,user_id", rows)
    with looked_at(tmp_path / "shop", tmp_path) as (_, roles):
        (found,) = roles.values()
        assert found.best("price") is None  # words are no prices
        assert found.best("user") is None  # sentences are no ids
        assert found.best("quantity", 0.7) is None  # fractions are hardly quantities


def test_a_key_has_different_values(tmp_path: Path) -> None:
    with looked_at(shops.grocer(tmp_path / "shop"), tmp_path) as (_, roles):
        products = roles["products.csv"]
        assert products.is_key(products.table.column("product_id"))
        assert not products.is_key(products.table.column("brand"))


def test_columns_that_may_be_the_same_are_asked_about_with_what_they_hold(tmp_path: Path) -> None:
    shops.write(tmp_path / "shop/a.csv", "user_id,account_id", [f"{n % 5},x{n % 7}" for n in range(50)])
    with looked_at(tmp_path / "shop", tmp_path) as (looked, _):
        answers = Answers({"a.csv.user": "account_id"})
        found = find_roles(looked.tables[0], answers)
        assert describe(found.table.column("user_id")).startswith("5 different values in 50 rows, such as ")
        chosen = choose(found, "user", list(found.table.columns), answers, "the user")
        assert chosen is not None
        assert chosen.name == "account_id"
        nobody = Answers()
        choose(found, "user", list(found.table.columns), nobody, "the user")
        with pytest.raises(OpenQuestionsError, match=r"a\.csv\.user=user_id.*5 different values"):
            nobody.check()
