"""The latent world is as promised: long-tailed, comorbid, different by site, measured where it is ill."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from synthetic_hospital import Hospital

from med_maml_pipeline.synthetic import SyntheticHospitalSettings
from med_maml_pipeline.synthetic.analytes import ANALYTES
from med_maml_pipeline.synthetic.organs import FAMILIES, diseases
from med_maml_pipeline.synthetic.sites import SITE_SHARES, make_sites
from med_maml_pipeline.synthetic.world import LIABILITY, make_world


def test_prevalence_is_long_tailed_and_as_declared(hospital: Hospital) -> None:
    declared = hospital.diseases["prevalence"].to_numpy()
    ranked = np.sort(declared)[::-1]
    assert len(declared) >= 24
    assert ranked[0] > 4 * np.median(ranked)
    assert 0.02 < ranked[-1] < 0.05
    found = hospital.present().to_numpy().mean(axis=0)
    # sites shift liabilities by design, so the tolerance is relative
    np.testing.assert_allclose(found, declared, rtol=0.35)


def test_liability_has_unit_variance_so_that_thresholds_mean_prevalence() -> None:
    assert sum(LIABILITY.values()) == pytest.approx(1.0)


def test_every_disease_has_its_own_code_and_a_known_family() -> None:
    known = diseases(42)
    assert len({disease.code for disease in known}) == 42
    counts = [sum(disease.family == family for disease in diseases(28)) for family in FAMILIES]
    assert counts == [4] * len(FAMILIES)


def test_diseases_of_one_organ_go_together(hospital: Hospital) -> None:
    phi = np.corrcoef(hospital.present().to_numpy().T)
    family = hospital.diseases["family"].to_numpy()
    upper = np.triu(np.ones_like(phi, dtype=bool), 1)
    same = family[:, None] == family[None, :]
    assert phi[upper & same].mean() > 0.08
    assert phi[upper & same].mean() > 3 * phi[upper & ~same].mean()
    several = hospital.present().to_numpy().sum(axis=1)
    independent = np.sqrt((p := hospital.diseases["prevalence"].to_numpy()) @ (1 - p))
    assert several.std() > 1.3 * independent  # comorbidity: more spread than independent diseases give


def test_severity_is_graded_and_raises_the_chance_of_a_code(hospital: Hospital) -> None:
    code = hospital.diseases.sort("prevalence")["code"][-1]
    severity = hospital.patients[code].to_numpy()
    ill = severity > 0
    assert severity[ill].min() >= 0.5
    assert severity[ill].std() > 0.3
    coded = np.isin(
        hospital.patients["subject_id"], hospital.events.filter(pl.col("code") == code)["subject_id"]
    )
    halves = severity > np.median(severity[ill])
    assert coded[~ill].mean() < 0.05
    assert coded[ill & halves].mean() > coded[ill & ~halves].mean() > 0.5


def test_case_mix_differs_by_site_in_the_direction_of_the_truth(hospital: Hospital) -> None:
    present = hospital.present().to_numpy()
    site = hospital.patients["site"].to_numpy()
    shares = np.array([(site == name).mean() for name in "ABC"])
    np.testing.assert_allclose(shares, SITE_SHARES, atol=0.03)
    family = hospital.diseases["family"].to_numpy()
    burden = np.array(
        [[present[site == name][:, family == organ].mean() for organ in FAMILIES] for name in "ABC"]
    )
    relative = np.log(burden / burden.mean(axis=0))
    truth = hospital.truth["site_effects.parquet"].filter(pl.col("kind") == "case_mix")
    shift = truth["effect"].to_numpy().reshape(3, len(FAMILIES))
    assert np.corrcoef(relative.ravel(), shift.ravel())[0, 1] > 0.8


def test_sites_measure_with_the_bias_of_the_truth(hospital: Hospital) -> None:
    """In patients without any disease, the mean of a vital sign shifts with the site's bias."""
    healthy = hospital.patients.filter(pl.sum_horizontal(hospital.diseases["code"].to_list()) == 0)
    vitals = [analyte for analyte in ANALYTES if analyte.vital and not analyte.log]
    truth = hospital.truth["site_effects.parquet"].filter(pl.col("kind") == "bias")
    events = hospital.events.join(healthy.select("subject_id", "site"), on="subject_id")
    found, expected = [], []
    for analyte in vitals:
        mean = (
            events.filter(pl.col("code") == analyte.code).group_by("site").agg(pl.col("numeric_value").mean())
        )
        bias = truth.filter(pl.col("on") == analyte.code)
        joined = mean.join(bias, on="site").sort("site")
        found.append(joined["numeric_value"].to_numpy() / analyte.spread)
        expected.append(joined["effect"].to_numpy())
    centred = [np.array(rows) - np.mean(rows, axis=1, keepdims=True) for rows in (found, expected)]
    assert np.corrcoef(centred[0].ravel(), centred[1].ravel())[0, 1] > 0.9


def test_sites_code_differently(hospital: Hospital) -> None:
    code = hospital.diseases.sort("prevalence")["code"][-1]
    coded = hospital.events.filter(pl.col("code") == code)["subject_id"].unique()
    ill = hospital.patients.filter(pl.col(code) > 0)
    rate = {
        site: group["subject_id"].is_in(coded.implode()).mean() for (site,), group in ill.group_by("site")
    }
    assert rate["A"] > rate["C"]


@pytest.mark.parametrize(("family", "code"), [("renal", "LAB//phosphate//mg/dL"), ("blood", "LAB//mcv//fL")])
def test_missingness_depends_on_illness(hospital: Hospital, family: str, code: str) -> None:
    measured = hospital.events.filter(pl.col("code") == code)["subject_id"].unique()
    strain = hospital.patients[f"organ//{family}"]
    has = hospital.patients["subject_id"].is_in(measured.implode())
    ill, well = strain > strain.quantile(0.8), strain < strain.quantile(0.2)
    assert has.filter(ill).mean() > has.filter(well).mean() + 0.15  # type: ignore[operator]


def test_unit_slips_happen_at_site_c_only(hospital: Hospital) -> None:
    """Creatinine above 20 mg/dL cannot be measured: such a value is one in umol/L under the wrong code."""
    slipped = hospital.events.filter(
        (pl.col("code") == "LAB//creatinine//mg/dL") & (pl.col("numeric_value") > 20)
    ).join(hospital.patients.select("subject_id", "site"), on="subject_id")
    assert 10 < len(slipped) < 200
    assert set(slipped["site"]) == {"C"}


def test_world_and_sites_do_not_depend_on_the_number_of_patients() -> None:
    few, many = (
        make_world(SyntheticHospitalSettings(n_patients=n), 2).organ_effect for n in (200, 1_000_000)
    )
    np.testing.assert_array_equal(few, many)
    weighted = np.average(make_sites(2).case_mix, axis=0, weights=SITE_SHARES)
    np.testing.assert_allclose(weighted, 0.0, atol=1e-12)


def test_outcomes_are_neither_rare_nor_common_and_follow_their_risks(hospital: Hospital) -> None:
    for name in ("READMISSION_30D", "ICU", "MACE", "DIALYSIS", "DEATH_1Y"):
        code = f"OUTCOME//{name}"
        struck = hospital.events.filter(pl.col("code") == code)["subject_id"].unique()
        has = hospital.patients["subject_id"].is_in(struck.implode())
        risk = hospital.patients[code]
        assert 0.03 < has.mean() < 0.4, name  # type: ignore[operator]
        assert risk.filter(has).mean() > 1.3 * risk.filter(~has).mean(), name  # type: ignore[operator]
